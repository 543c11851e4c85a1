// One page: what the session says is shown and sounded, what the operator wants is sent.

import { DEADMAN_S, Sound } from "/static/sound.js";
import { Pictures } from "/static/draw.js";
import { LaneMap, showGaps } from "/static/lane.js";

const $ = (id) => document.getElementById(id);
const SHAPES = { searching: "◯", signal: "▲", "not valid": "✖" };
const BARS = ["▂", "▂▄", "▂▄▆", "▂▄▆█"];
const LABELS = {
  mine: "Mine",
  erw: "ERW",
  "metal-clutter": "Metal clutter",
  "nonmetal-clutter": "Other clutter",
  "nothing-found": "Nothing found",
  "not-investigated": "Not investigated",
};
const WHYS = ["Marked for later", "Cannot be reached", "Handed over"];
const RETRY_MS = 500;

const sound = new Sound();
const pictures = new Pictures();
const map = new LaneMap();
const now = { state: null, startup: null, control: null, ground: null, lane: null, surface_ns: null };
const detections = new Map();
const labels = new Map();
let socket = null;
let cursorBeat = null;
let beatAt = -Infinity;
let chosen = null; // number of the detection that is being labelled
let followNewest = true;
let choice = null; // label class touched first
let dirty = true;

// ---- what comes -----------------------------------------------------------------------------------------------

function connect() {
  socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = () => {
    socket = null;
    now.control = null;
    dirty = true;
    setTimeout(connect, RETRY_MS);
  };
}

function receive(message) {
  if (message.answer !== undefined) {
    if (!$("lane-dialog").open) say(message.answer);
    else if (message.taken) {
      $("lane-dialog").close();
      say(message.answer);
    } else text("lane-wrong", message.answer);
    return;
  }
  if (message.full) {
    pictures.clear(message.about);
    if (!message.ground) map.clear();
    detections.clear();
    labels.clear();
    $("events").replaceChildren();
    showAbout(message.about);
  }
  for (const key of Object.keys(now)) if (message[key] !== undefined) now[key] = message[key];
  if (message.beat !== cursorBeat) {
    cursorBeat = message.beat;
    beatAt = performance.now();
    sound.beat(message.state);
  }
  pictures.add(message);
  if (message.ground) {
    map.set(message.ground);
    showGaps(message.ground);
  }
  for (const d of message.detection ?? []) {
    detections.set(d.id, d);
    if (followNewest) chosen = d.id;
  }
  for (const l of message.label ?? []) labels.set(l.id, l);
  for (const e of message.event ?? []) {
    log(e);
    // what a learner asked for is answered where it is seen
    if (e.kind === "practice" && !message.full) say(e.text);
  }
  if (message.link) showFigures(message);
  if (message.detection || message.label || message.full) showDetections();
  dirty = true;
}

function say(text) {
  $("said").textContent = text;
  $("said").hidden = !text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => ($("said").hidden = true), 6000);
}

function send(command, more = {}) {
  if (socket?.readyState !== WebSocket.OPEN) {
    say("Not connected: this was NOT kept.");
    return false;
  }
  socket.send(JSON.stringify({ command, ...more }));
  return true;
}

// ---- what is shown --------------------------------------------------------------------------------------------

function alive() {
  return performance.now() - beatAt < 1000 * DEADMAN_S;
}

function show() {
  requestAnimationFrame(show);
  const lost = !alive();
  if (!dirty && !lost) return;
  dirty = false;
  const state = lost
    ? { kind: "not valid", reasons: [socket ? "the detector's computer stands still" : "not connected"], metal: 0, radar: 0 }
    : now.state;
  text("state", state.kind);
  text("shape", SHAPES[state.kind]);
  const className = state.kind.replace(" ", "-");
  if ($("banner").className !== className) $("banner").className = className;
  const [first, ...others] = state.reasons;
  text("reason", first ? first + (others.length ? ` (and ${others.length} more)` : "") : "");
  const depth = state.depth_cm ?? null;
  const said = [];
  if (state.metal) said.push(`metal ${state.metal.toFixed(1)} ×`);
  if (state.radar) said.push(`radar ${state.radar.toFixed(1)} ×${depth === null ? "" : `, ${depth} cm`}`);
  text("strength", said.length ? `${BARS[state.stage]}\n${said.join("\n")}` : "");
  text("metal-now", state.metal ? `${state.metal.toFixed(1)} × threshold` : "");
  text("radar-now", state.radar ? `${state.radar.toFixed(1)} × threshold` : "");
  if (now.state) {
    $("training").hidden = !now.state.training;
    // in practice no ground counts, so that there is none to sweep again
    $("gaps").hidden = $("gaps-title").hidden = now.state.training;
  }
  showStartup();
  showControl();
  showSound();
  pictures.draw(now);
  map.draw(now.lane?.at);
}

function text(id, value) {
  const element = $(id);
  if (element.textContent !== value) element.textContent = value;
}

function showSound() {
  const button = $("sound");
  button.setAttribute("aria-pressed", String(sound.on));
  button.className = sound.on ? "" : "alarm";
  const label = sound.on ? "Sound is on" : "Sound is OFF: turn on";
  if (button.lastChild.textContent !== ` ${label}`) button.lastChild.textContent = ` ${label}`;
}

function mayCommand() {
  return Boolean(now.control?.mine);
}

function showControl() {
  const c = now.control;
  const button = $("control");
  button.disabled = !c?.allowed;
  const label = !c ? "Not connected" : c.mine ? `You have control: ${c.who}` : c.allowed ? "Take control" : "Watching only";
  const other = c && !c.mine && c.who ? ` from ${c.who}` : "";
  if (button.lastChild.textContent !== ` ${label}${other}`) button.lastChild.textContent = ` ${label}${other}`;
  button.setAttribute("aria-pressed", String(Boolean(c?.mine)));
  text("viewers", `${c?.viewers ?? 0}${c?.who ? `, operator ${c.who}` : ", no operator"}`);
  for (const id of ["begin", "store", "save", "strip", "hold", "choose-lane", "test", "practise", "mark"]) $(id).disabled = !mayCommand();
}

function showStartup() {
  const s = now.startup;
  if (!s) return;
  $("skipped").hidden = !s.skipped;
  text("skipped", s.skipped ? `Start-up checks skipped: ${s.skipped}` : "");
  const hide = s.ready || Boolean(s.skipped);
  $("startup").hidden = hide;
  if (hide) return;
  const list = $("steps");
  while (list.children.length < s.steps.length) {
    const li = document.createElement("li");
    li.append(document.createElement("b"), document.createElement("progress"), document.createElement("p"));
    list.append(li);
  }
  s.steps.forEach((step, k) => {
    const [title, progress, found] = list.children[k].children;
    const mark = step.done ? "✔" : step.outcome === "failed" ? "✖" : step.outcome === "running" ? "…" : "○";
    list.children[k].className = step.name === s.current ? "current" : "";
    title.textContent = `${mark} ${step.name}${step.outcome === "open" ? "" : `: ${step.outcome}`}`;
    progress.hidden = step.outcome !== "running";
    progress.value = step.progress;
    progress.setAttribute("aria-label", `progress of ${step.name}`);
    found.textContent = step.text;
  });
  const current = s.steps.find((step) => step.name === s.current);
  text("instruction", `${s.again ? `Repeat, because: ${s.again}. ` : ""}${current?.instruction ?? ""}`
    + (mayCommand() ? "" : " (Take control to begin steps.)"));
  $("store").hidden = current?.outcome !== "no reference";
  const again = current?.outcome === "failed" || current?.outcome === "no reference";
  const label = ` ${again ? "Measure again" : "Begin"}: ${s.current}`;
  if ($("begin").lastChild.textContent !== label) $("begin").lastChild.textContent = label;
  if (current?.outcome === "running") $("begin").disabled = true;
}

function showAbout(about) {
  const streams = about.streams.map((s) => `${s.name} ${Number(s.rate_hz.toPrecision(4))}/s`).join(", ");
  text("about", `${about.model}, serial ${about.serial}, firmware ${about.firmware || "not stated"}: ${streams}. `
    + "Depth scale at 10 cm/ns; every place carries its own estimate.");
}

function figure(id, value, bad) {
  text(id, value);
  $(id).className = bad ? "bad" : "";
}

function showFigures(m) {
  figure("battery", m.battery_v === null ? "not measured" : `${m.battery_v.toFixed(2)} V`, false);
  figure("disk", ...m.disk);
  const broken = m.link.damaged + m.link.lost;
  const got = Object.values(m.records).reduce((sum, [n]) => sum + n, 0);
  const share = got ? (100 * got) / (got + m.link.missing) : 0;
  // rounded down: 100 % is said only where nothing is missing
  const quality = m.link.missing ? (Math.floor(100 * share) / 100).toFixed(2) : "100";
  const silent = Object.keys(m.records).filter((name) => m.records[name][1] === 0);
  const came = `${quality} % came: ${m.link.missing} records lost, ${broken} bad frames`;
  figure("link", silent.length ? `NOTHING COMES of ${silent.join(", ")}. ${came}` : came, silent.length > 0 || m.link.missing > 0);
  const v = m.speed_m_per_s;
  const fast = v !== null && v > m.fastest_m_per_s;
  figure("speed", v === null ? "not measured" : `${v.toFixed(2)} m/s${fast ? ": slower" : ""}`, fast);
  figure("height", m.height, m.height.endsWith("lower"));
  const [x, y] = m.lane.at;
  const g = now.ground;
  const out = x !== null && Boolean(m.lane.lane) && g !== null && (x < 0 || x > g.length_m || y < 0 || y > g.width_m);
  const along = x === null ? "no place" : `${x.toFixed(2)} m along${m.lane.lane ? `, ${y.toFixed(2)} m across` : ""}`;
  figure("position", `${out ? "OUTSIDE THE LANE " : ""}${m.position ? `${m.position.text}, ` : ""}${along}`,
    out || (m.position !== null && !m.position.good));
  text("lane-now", m.lane.text);
  const unplaced = m.lane.unplaced_percent > 0 ? ` ${m.lane.unplaced_percent} % of the records had no sure place.` : "";
  figure("how", `${m.lane.lane ? `Lane ${m.lane.lane}. ` : ""}Place by ${m.lane.how}.${unplaced}`,
    /RECKONING|PLACE LOST|no sure place|no lane/.test(m.lane.how));
  $("strip").hidden = m.lane.strip === null;
  $("hold").hidden = !m.lane.how.includes("RECKONING");
  $("lane").setAttribute("aria-label", `map of the lane: ${m.lane.text}`);
}

function log(e) {
  const li = document.createElement("li");
  li.className = e.severity;
  li.textContent = `${new Date(e.utc_ns / 1e6).toISOString().slice(11, 19)} ${e.severity}: ${e.text}`;
  $("events").prepend(li);
  while ($("events").children.length > 100) $("events").lastChild.remove();
}

function ordered() {
  return [...detections.keys()].sort((a, b) => b - a);
}

function showDetections() {
  const ids = ordered();
  if (!detections.has(chosen)) chosen = ids[0] ?? null;
  const at = Math.max(0, ids.indexOf(chosen));
  const shown = ids.slice(Math.max(0, Math.min(at - 1, ids.length - 3)), Math.max(3, at + 2));
  text("found-title", `Places to investigate: ${ids.length}, without label ${ids.filter((i) => !labels.has(i)).length}`);
  $("detections").replaceChildren(...shown.map((id) => card(detections.get(id))));
  $("labelling").hidden = chosen === null;
  $("previous").disabled = at === 0;
  $("next").disabled = at >= ids.length - 1;
  if (chosen !== null) text("labelling-title", `What was at #${chosen}?`);
}

function card(d) {
  const li = document.createElement("li");
  const button = document.createElement("button");
  button.setAttribute("aria-pressed", String(d.id === chosen));
  const bars = document.createElement("span");
  bars.className = "bars";
  bars.textContent = BARS[d.stage];
  const words = document.createElement("span");
  const title = document.createElement("b");
  title.textContent = `#${d.id} ${d.level} · ${d.decision}`;
  const depth = d.depth_cm === null
    ? "depth not known"
    : `${d.depth_cm} ± ${d.depth_sigma_cm} cm deep`;
  const place = d.x_m === null ? `${d.t_s.toFixed(1)} s` : `${d.x_m.toFixed(2)} m`;
  const label = labels.get(d.id);
  const said = document.createElement("span");
  said.className = "labelled";
  if (label) {
    const deep = label.depth_cm === null ? "" : ` at ${label.depth_cm} cm`;
    said.textContent = `✔ ${LABELS[label.label] ?? label.label}${deep} (${label.who}) ${label.note}`;
  }
  words.append(title, document.createElement("br"), `at ${place}, ${depth}, ${d.seen_by}`);
  if (d.hides) words.append(document.createElement("br"), `${d.hides}: dig, then sweep again`);
  if (label) words.append(document.createElement("br"), said);
  button.append(bars, words);
  button.onclick = () => choose(d.id);
  li.append(button);
  return li;
}

// ---- what the operator does -----------------------------------------------------------------------------------

function choose(id) {
  chosen = id;
  followNewest = id === ordered()[0];
  touchClass(null);
  showDetections();
}

function step(by) {
  const ids = ordered();
  const at = ids.indexOf(chosen) + by;
  if (at >= 0 && at < ids.length) choose(ids[at]);
}

function touchClass(name) {
  choice = name;
  if (name !== null) followNewest = false; // the place must not change under the hand
  for (const button of $("classes").children) button.setAttribute("aria-pressed", String(button.dataset.label === name));
  $("whys").hidden = name !== "not-investigated";
}

function saveLabel() {
  if (choice === null) {
    say("Touch what was found first.");
    return;
  }
  const depth = $("depth").value === "" ? null : Number($("depth").value);
  const sent = send("label", { id: chosen, label: choice, depth_cm: depth, note: $("note").value });
  if (!sent || (choice === "not-investigated" && !$("note").value.trim())) return;
  $("depth").value = $("note").value = "";
  touchClass(null);
  document.activeElement?.blur();
  followNewest = true;
}

async function toggleSound() {
  if (sound.on) {
    await sound.stop();
    say("Sound is off: faults and signals are shown only.");
  } else await sound.start();
  dirty = true;
}

function toggleControl() {
  if (mayCommand()) send("release");
  else if (now.control?.allowed) {
    $("name").value ||= localStorage.getItem("name") ?? "";
    $("who").showModal();
  }
}

function openLane() {
  text("lane-wrong", "");
  $("lane-dialog").showModal();
}

async function sendLane() {
  const file = $("lane-file").files[0];
  if (!file) {
    const [size, start, heading] = ["lane-size", "lane-start", "lane-heading"].map((id) => $(id).value.trim());
    send("lane", { size, start, heading });
  } else if (file.size > 100_000) text("lane-wrong", `${file.name} has ${file.size} bytes: a lane is a few corners.`);
  else send("lane", { geojson: await file.text(), name: file.name.replace(/\.(geo)?json$/i, "") });
  $("lane-file").value = "";
}

function toggleTheme() {
  const dark = document.documentElement.dataset.theme === "dark";
  setTheme(dark ? "light" : "dark");
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
  dirty = true;
}

const begin = () => send("begin", { text: now.startup?.current ?? "" });
const store = () => send("store");
const nextStrip = () => send("strip");
const hold = () => send("hold");
const practise = () => send("practise");
const mark = () => send("mark");
const functionTest = () => send("begin", { text: "function test" });

for (const [name, words] of Object.entries(LABELS)) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.label = name;
  const key = document.createElement("kbd");
  key.textContent = $("classes").children.length + 1;
  button.append(key, words);
  button.onclick = () => touchClass(name);
  $("classes").append(button);
}
for (const why of WHYS) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = why;
  button.onclick = () => ($("note").value = why);
  $("whys").append(button);
}
$("sound").onclick = toggleSound;
$("control").onclick = toggleControl;
$("theme").onclick = toggleTheme;
$("keys").onclick = () => $("help").showModal();
$("help-close").onclick = () => $("help").close();
$("begin").onclick = begin;
$("store").onclick = store;
$("strip").onclick = nextStrip;
$("hold").onclick = hold;
$("practise").onclick = practise;
$("mark").onclick = mark;
$("test").onclick = functionTest;
$("choose-lane").onclick = openLane;
$("lane-cancel").onclick = () => $("lane-dialog").close();
$("lane-form").onsubmit = (event) => {
  event.preventDefault();
  sendLane();
};
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("who-cancel").onclick = () => $("who").close();
$("labelling").onsubmit = (event) => {
  event.preventDefault();
  saveLabel();
};
$("who-form").onsubmit = (event) => {
  event.preventDefault();
  localStorage.setItem("name", $("name").value);
  send("take control", { who: $("name").value });
  $("who").close();
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const labelKey = Object.keys(LABELS)[Number(event.key) - 1];
  if (labelKey && chosen !== null) touchClass(labelKey);
  else if (event.key === "ArrowUp") step(-1);
  else if (event.key === "ArrowDown") step(1);
  else if (event.key === "Enter" && choice !== null) saveLabel();
  else if (event.key === "Escape") touchClass(null);
  else if (event.key === "d") $("depth").focus();
  else if (event.key === "n") $("note").focus();
  else if (event.key === "v") toggleSound();
  else if (event.key === "o") toggleControl();
  else if (event.key === "t") toggleTheme();
  else if (event.key === "b") begin();
  else if (event.key === "r") store();
  else if (event.key === "f") functionTest();
  else if (event.key === "s" && !$("strip").hidden) nextStrip();
  else if (event.key === "p" && !$("hold").hidden) hold();
  else if (event.key === "a" && !$("training").hidden) practise();
  else if (event.key === "m" && !$("training").hidden) mark();
  else if (event.key === "l" && mayCommand()) openLane();
  else if (event.key === "?") $("help").showModal();
  else return;
  event.preventDefault();
});

// a headset that was pulled out must not pass for quiet ground
navigator.mediaDevices?.addEventListener?.("devicechange", () => say("A sound device was plugged in or pulled out: check that you hear it."));

setTheme(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
window.groundsweep = { sound, now, detections, labels };
connect();
show();
