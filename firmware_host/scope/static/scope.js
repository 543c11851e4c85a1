"use strict";
const $ = (id) => document.getElementById(id);
const SHOWS = { record: "Record", noise: "Noise per value", history: "One value over time",
  spectrum: "Spectrum of one value", band: "Spectrum of the A-scan" };
const SILENT_MS = 1500;
let socket = null, latest = null, held = null, reference = null, heard = 0, streams = [], panel = "";

function connect() {
  socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onopen = () => ask();
  socket.onmessage = (e) => take(JSON.parse(e.data));
  socket.onclose = () => setTimeout(connect, 1000);
}
function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  else say("The page is not connected: nothing was sent.");
}
function ask() {
  if (!streams.length) return;
  send({ command: "view", stream: $("stream").value, show: $("show").value, channel: Number($("channel").value),
    value: Number($("value").value), average: Number($("average").value) });
}
function say(text) {
  $("answer").textContent = text;
  $("answer").hidden = !text;
}
function take(message) {
  if (message.answer !== undefined) { say(message.answer); return; }
  heard = performance.now();
  if (JSON.stringify(message.streams) !== JSON.stringify(streams)) { streams = message.streams; choices(); ask(); }
  $("head").textContent = message.head;
  banner(message.state);
  parameters(message.parameters, message.may_turn);
  for (const e of message.events) {
    const li = document.createElement("li");
    li.className = e.severity === "fault" ? "fault" : e.severity === "warning" ? "warning" : "";
    li.textContent = e.text;
    $("events").prepend(li);
    while ($("events").children.length > 50) $("events").lastChild.remove();
  }
  latest = message;
  if (!held) draw();
}
function banner(state) {
  const dead = state.filter((s) => !s.live).map((s) => s.stream);
  const full = state.filter((s) => s.saturated).map((s) => s.stream);
  const text = dead.length ? "no samples" : full.length ? "saturated" : "samples";
  const kind = dead.length ? "not-valid" : full.length ? "signal" : "searching";
  $("banner").className = kind;
  $("state").textContent = text;
  $("shape").textContent = dead.length ? "\u26A0" : full.length ? "\u25B2" : "\u25CF";
  $("streams").textContent = state.map((s) => `${s.stream}: ${s.received} received, ${s.missing} missing`
    + (s.live ? "" : ", SILENT") + (s.saturated ? ", at the end of its range" : "")).join("; ");
}
function choices() {
  $("stream").replaceChildren(...streams.map((s) => new Option(s.name, s.name)));
  shows();
}
function shows() {
  const s = streams.find((x) => x.name === $("stream").value);
  const kept = $("show").value;
  const there = Object.entries(SHOWS).filter(([k]) => k !== "band" || s.kind === "radar");
  $("show").replaceChildren(...there.map(([k, v]) => new Option(v, k)));
  if (there.some(([k]) => k === kept)) $("show").value = kept;
  $("channel").max = s.channels - 1;
  $("value").max = s.values - 1;
}
function parameters(list, may) {
  const key = JSON.stringify(list.map((p) => [p.name, p.value, may]));
  if (key === panel || $("parameters").contains(document.activeElement) && panel) { refresh(list); return; }
  panel = key;
  $("parameters").replaceChildren(...list.map((p) => {
    const form = document.createElement("form");
    const label = document.createElement("label");
    const id = `p-${p.name}`;
    label.htmlFor = id;
    label.textContent = p.unit ? `${p.name}, ${p.unit}` : p.name;
    form.append(label);
    if (p.writable && may) {
      const input = document.createElement("input");
      Object.assign(input, { id, type: "number", step: p.kind === "number" ? "any" : 1, min: p.low, max: p.high,
        value: p.value, name: p.name });
      const button = document.createElement("button");
      button.textContent = "Set";
      button.setAttribute("aria-label", `Set ${p.name}`);
      form.append(input, button);
      form.onsubmit = (e) => { e.preventDefault(); say(""); form.classList.add("waiting");
        send({ command: "set", name: p.name, value: Number(input.value), who: $("who").value }); };
      form.noValidate = true;
    } else {
      const output = document.createElement("output");
      output.className = "fixed";
      output.id = id;
      output.textContent = p.value;
      form.append(output);
    }
    const about = document.createElement("small");
    about.textContent = `${p.about}${p.writable ? `; ${p.low} to ${p.high}, default ${p.default}` : "; read only"}`;
    form.append(about);
    return form;
  }));
}
function refresh(list) {
  for (const p of list) {
    const field = $(`p-${p.name}`);
    if (!field) continue;
    if (field.tagName === "OUTPUT") field.textContent = p.value;
    else if (Number(field.value) === p.value) field.form.classList.remove("waiting");
  }
}
function draw() {
  const message = held || latest, canvas = $("plot"), g = canvas.getContext("2d");
  const ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
  canvas.width = w * ratio; canvas.height = h * ratio;
  g.scale(ratio, ratio);
  const css = getComputedStyle(document.documentElement), colour = (n) => css.getPropertyValue(n).trim();
  g.fillStyle = colour("--ground"); g.fillRect(0, 0, w, h);
  g.font = "15px system-ui, sans-serif"; g.fillStyle = colour("--ink");
  const curve = message && message.curve;
  if (!curve) { g.fillText("Not enough records yet for this view.", 12, 30); $("notes").textContent = ""; return; }
  $("notes").textContent = (held ? "HELD. " : "") + curve.notes.join("; ");
  $("trace-title").textContent = `${SHOWS[message.view.show]} of ${message.view.stream}`;
  const alike = reference && reference.stream === message.view.stream && reference.show === message.view.show
    && reference.curve.x.length === curve.x.length;
  const less = alike && $("difference").getAttribute("aria-pressed") === "true";
  const lines = curve.y.map((y, k) => ({ y: less ? y.map((v, i) => v - reference.curve.y[k][i]) : y, k, dash: false }));
  if (alike && !less) reference.curve.y.forEach((y, k) => lines.push({ y, k, dash: true }));
  const all = lines.flatMap((l) => l.y).filter((v) => v !== null);
  const logY = curve.log_y && !less && all.some((v) => v > 0);
  const logX = curve.log_x && curve.x.every((v) => v > 0);
  // of a decay the part below zero matters too: it is drawn on the lower edge of a logarithmic scale
  const positive = all.filter((v) => v > 0);
  let low = logY ? Math.max(Math.min(...positive), Math.max(...positive) * 1e-6) : Math.min(...all);
  let high = Math.max(...all);
  if (high <= low) { low -= 0.5 * Math.abs(low) + 1e-12; high += 0.5 * Math.abs(high) + 1e-12; }
  const fy = logY ? Math.log10 : (v) => v, fx = logX ? Math.log10 : (v) => v;
  const pad = { l: 92, r: 14, t: 14, b: 44 };
  const x0 = fx(curve.x[0]), x1 = fx(curve.x[curve.x.length - 1]) || x0 + 1;
  const y0 = fy(low) - 0.04 * (fy(high) - fy(low)), y1 = fy(high) + 0.04 * (fy(high) - fy(low));
  const px = (v) => pad.l + (w - pad.l - pad.r) * (curve.x.length > 1 ? (fx(v) - x0) / (x1 - x0) : 0.5);
  const py = (v) => h - pad.b - (h - pad.t - pad.b) * ((logY ? fy(Math.max(v, low)) : v) - y0) / (y1 - y0);
  g.strokeStyle = colour("--line"); g.lineWidth = 1;
  for (const v of ticks(y0, y1, logY)) { line(g, pad.l, py(v), w - pad.r, py(v)); g.textAlign = "right"; g.fillText(short(v), pad.l - 8, py(v) + 5); }
  for (const v of ticks(x0, x1, logX)) { line(g, px(v), pad.t, px(v), h - pad.b); g.textAlign = "center"; g.fillText(short(v), px(v), h - pad.b + 18); }
  g.textAlign = "right"; g.fillText(curve.x_unit, w - pad.r, h - 6);
  g.textAlign = "left"; g.fillText(curve.y_unit, 6, pad.t + 2);
  for (const l of lines) {
    g.strokeStyle = l.dash ? colour("--mark") : l.k ? colour("--gate") : colour("--trace");
    g.setLineDash(l.dash ? [7, 5] : l.k ? [2, 2] : []); g.lineWidth = 2.5;
    g.beginPath();
    l.y.forEach((v, i) => { if (v === null) return; const at = [px(curve.x[i]), py(v)]; i ? g.lineTo(...at) : g.moveTo(...at); });
    g.stroke();
    if (curve.x.length <= 64) l.y.forEach((v, i) => { if (v !== null) { g.beginPath(); g.arc(px(curve.x[i]), py(v), 3.5, 0, 7); g.stroke(); } });
  }
  g.setLineDash([]);
  lines.forEach((l, i) => {
    const name = l.dash ? `reference ${curve.names[l.k]}` : curve.names[l.k] || "now";
    if (lines.length > 1) { g.fillStyle = g.strokeStyle = l.dash ? colour("--mark") : l.k ? colour("--gate") : colour("--trace"); g.textAlign = "right"; g.fillText(name, w - pad.r - 6, pad.t + 18 + 20 * i); }
  });
}
function line(g, a, b, c, d) { g.beginPath(); g.moveTo(a, b); g.lineTo(c, d); g.stroke(); }
function ticks(a, b, log) {
  if (log && b - a >= 0.7) {
    const out = [], every = Math.ceil((b - a) / 6), within = b - a < 2.5 ? [1, 2, 5] : [1];
    for (let k = Math.floor(a); k <= b; k += every) for (const m of within) { const v = m * 10 ** k; if (v >= 10 ** a && v <= 10 ** b) out.push(v); }
    return out;
  }
  const lo = log ? 10 ** a : a, hi = log ? 10 ** b : b, raw = (hi - lo) / 5, step0 = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * step0).find((s) => s >= raw), out = [];
  for (let v = Math.ceil(lo / step) * step; v <= hi; v += step) out.push(Math.abs(v) < step / 1e6 ? 0 : v);
  return out;
}
function short(v) { const a = Math.abs(v); return v === 0 ? "0" : a >= 1e5 || a < 1e-3 ? v.toExponential(1) : String(Number(v.toPrecision(4))); }
function press(id, on) { $(id).setAttribute("aria-pressed", on); }
const actions = {
  hold() { held = held ? null : latest; press("hold", Boolean(held)); draw(); },
  reference() { const m = held || latest; if (m && m.curve) reference = { stream: m.view.stream, show: m.view.show, curve: m.curve }; draw(); },
  clear() { reference = null; press("difference", false); draw(); },
  difference() { press("difference", $("difference").getAttribute("aria-pressed") !== "true"); draw(); },
  theme() { const r = document.documentElement; r.dataset.theme = r.dataset.theme === "dark" ? "light" : "dark"; draw(); },
  export() {
    const m = held || latest;
    if (!m || !m.curve) return;
    const c = m.curve, alike = reference && reference.curve.x.length === c.x.length;
    const names = [...c.names.map((n, k) => n || `line ${k}`), ...(alike ? reference.curve.names.map((n) => `reference ${n}`) : [])];
    const rows = c.x.map((x, i) => [x, ...c.y.map((y) => y[i]), ...(alike ? reference.curve.y.map((y) => y[i]) : [])].join(","));
    const head = [`# ${m.head}`, `# ${m.view.show} of ${m.view.stream}, channel ${m.view.channel}, value ${m.view.value}; ${c.notes.join("; ")}`,
      [`x (${c.x_unit})`, ...names.map((n) => `${n} (${c.y_unit})`)].join(",")];
    const a = document.createElement("a");
    a.href = URL.createObjectURL(new Blob([[...head, ...rows].join("\n") + "\n"], { type: "text/csv" }));
    a.download = `scope-${m.view.stream}-${m.view.show}.csv`;
    a.click();
    URL.revokeObjectURL(a.href);
  },
};
for (const [id, act] of Object.entries(actions)) $(id).onclick = act;
const KEYS = { h: "hold", r: "reference", c: "clear", d: "difference", e: "export", t: "theme" };
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || /INPUT|SELECT/.test(e.target.tagName)) return;
  const id = KEYS[e.key.toLowerCase()];
  if (id) { e.preventDefault(); actions[id](); }
});
$("stream").onchange = () => { shows(); ask(); };
for (const id of ["show", "channel", "value", "average"]) $(id).onchange = ask;
addEventListener("resize", draw);
setInterval(() => {
  if (performance.now() - heard > SILENT_MS) {
    $("banner").className = "not-valid"; $("state").textContent = "page not connected"; $("shape").textContent = "\u26A0";
  }
}, 300);
connect();
