// Two pictures: metal signal and radar B-scan. Metal and radar share one time axis, newest at the right.

const SHOWN_S = 10;

function sized(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  g.font = "bold 15px system-ui, 'DejaVu Sans', sans-serif";
  return g;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function boxed(g, text, x, y, align = "left") {
  g.textAlign = align;
  const width = g.measureText(text).width + 8;
  const left = align === "left" ? x : align === "right" ? x - width : x - width / 2;
  g.fillStyle = colour("--ground");
  g.fillRect(left, y - 14, width, 19);
  g.fillStyle = colour("--ink");
  g.textAlign = "left";
  g.fillText(text, left + 4, y);
}

export class Pictures {
  constructor() {
    this.metal = document.getElementById("metal");
    this.bscan = document.getElementById("bscan");
    this.clear({ rows: 0, drawn_hz: 30, window_ns: 0, cm_per_ns: 5 });
  }

  clear(about) {
    this.about = about;
    this.points = [];
    this.alarms = [];
    this.newest = 0;
    this.ring = document.createElement("canvas");
    this.ring.width = Math.ceil(SHOWN_S * about.drawn_hz);
    this.ring.height = Math.max(1, about.rows);
    this.slot = null;
    this.column = null;
  }

  add(message) {
    for (const p of message.metal ?? []) {
      this.points.push(p);
      this.newest = Math.max(this.newest, p[0]);
    }
    while (this.points.length && this.points[0][0] < this.newest - SHOWN_S) this.points.shift();
    for (const [t, cells] of message.bscan ?? []) this.addColumn(t, cells);
    this.alarms.push(...(message.alarm ?? []));
    while (this.alarms.length > 100) this.alarms.shift();
  }

  addColumn(t, cells) {
    const g = this.ring.getContext("2d");
    const bytes = Uint8Array.from(atob(cells), (c) => c.charCodeAt(0));
    const column = g.createImageData(1, this.ring.height);
    for (let k = 0; k < this.ring.height; k++) {
      const v = 128 + (bytes[k] > 127 ? bytes[k] - 256 : bytes[k]);
      column.data.set([v, v, v, 255], 4 * k);
    }
    const slot = Math.round(t * this.about.drawn_hz);
    const width = this.ring.width;
    // slow streams leave slots empty: the column before fills them, but not a third of a second, which is a gap
    const from = this.slot === null ? slot : Math.max(this.slot + 1, slot - width + 1);
    const bridge = this.slot !== null && slot - this.slot <= this.about.drawn_hz / 3;
    for (let s = from; s <= slot; s++) {
      if (s < slot && !bridge) g.clearRect(s % width, 0, 1, this.ring.height);
      else g.putImageData(column, s % width, 0);
    }
    this.slot = Math.max(slot, this.slot ?? slot);
    this.newest = Math.max(this.newest, t);
  }

  x(t, width) {
    return width * (1 - (this.newest - t) / SHOWN_S);
  }

  draw(state) {
    this.drawMetal(state);
    this.drawRadar(state);
  }

  drawMetal() {
    const g = sized(this.metal);
    const [w, h] = [this.metal.clientWidth, this.metal.clientHeight];
    const top = Math.max(10, ...this.points.map((p) => p[1]));
    // by its logarithm, so that a faint signal shows beside a strong one
    const y = (v) => h - 4 - (h - 12) * (Math.log2(1 + v) / Math.log2(1 + top));
    g.strokeStyle = colour("--line");
    g.fillStyle = colour("--trace");
    for (const v of [1, 3, 10, 30, 100, 300, 1000].filter((v) => v <= top)) {
      g.beginPath();
      g.moveTo(0, y(v));
      g.lineTo(w, y(v));
      g.stroke();
    }
    // up from the baseline where the readings begin: before them nothing was measured, and nothing is drawn
    let last = this.points.length ? this.x(this.points[0][0], w) : 0;
    g.beginPath();
    g.moveTo(last, h);
    for (const [t, v] of this.points) {
      const x = this.x(t, w);
      g.lineTo(x, y(v));
      last = x;
    }
    g.lineTo(last, h);
    g.fill();
    for (const v of [3, 10, 30, 100, 300, 1000].filter((v) => v <= top)) {
      if (y(v) < h - 22) boxed(g, `${v}`, 2, Math.max(16, y(v) + 6));
    }
    this.drawAlarms(g, "metal", w, () => 12);
  }

  drawAlarms(g, sensor, width, height) {
    for (const alarm of this.alarms) {
      if (alarm.sensor !== sensor || alarm.t_s < this.newest - SHOWN_S) continue;
      const [x, y] = [this.x(alarm.t_s, width), height(alarm)];
      // a triangle with a rim, so that it shows on black and on white
      g.beginPath();
      g.moveTo(x - 9, y - 9);
      g.lineTo(x + 9, y - 9);
      g.lineTo(x, y + 9);
      g.closePath();
      g.fillStyle = colour("--signal");
      g.fill();
      g.lineWidth = 2;
      g.strokeStyle = "#000000";
      g.stroke();
      g.lineWidth = 1;
    }
  }

  drawRadar({ surface_ns }) {
    const g = sized(this.bscan);
    const [w, h] = [this.bscan.clientWidth, this.bscan.clientHeight];
    const { rows, window_ns, cm_per_ns, drawn_hz } = this.about;
    if (!rows) {
      boxed(g, "this head has no radar", 8, 24);
      return;
    }
    if (this.slot !== null) {
      const n = this.ring.width;
      const split = (this.slot + 1) % n;
      const right = this.x(this.slot / drawn_hz, w);
      g.imageSmoothingEnabled = false;
      const cell = w / n;
      if (split < n) g.drawImage(this.ring, split, 0, n - split, rows, right - w, 0, (n - split) * cell, h);
      if (split > 0) g.drawImage(this.ring, 0, 0, split, rows, right - split * cell, 0, split * cell, h);
    }
    const y = (ns) => (h * ns) / window_ns;
    const surface = surface_ns ?? 0;
    g.strokeStyle = colour("--gate");
    g.lineWidth = 3;
    g.setLineDash([14, 8]);
    g.beginPath();
    g.moveTo(0, y(surface));
    g.lineTo(w, y(surface));
    g.stroke();
    g.setLineDash([]);
    g.lineWidth = 1;
    const deepest = (window_ns - surface) * cm_per_ns;
    const step = [2, 5, 10, 20, 50, 100, 200, 500].find((s) => deepest / s <= 6) ?? 1000;
    for (let cm = 0; cm < deepest; cm += step) {
      const at = y(surface + cm / cm_per_ns);
      if (at > h - 4) break;
      g.strokeStyle = colour("--gate");
      g.beginPath();
      g.moveTo(0, at);
      g.lineTo(cm ? 14 : w, at);
      g.stroke();
      boxed(g, cm ? `${cm} cm` : "surface", 16, Math.min(h - 6, Math.max(16, at + 6)));
      boxed(g, `${(cm / cm_per_ns).toFixed(1)} ns`, w - 2, Math.min(h - 6, Math.max(16, at + 6)), "right");
    }
    this.drawAlarms(g, "radar", w, (a) => (a.two_way_ns === null ? 12 : y(surface + a.two_way_ns)));
  }
}
