// The lane from above: four states as patterns and colours, gaps by number, the head. Its beginning is at the left,
// its left edge at the top.

const $ = (id) => document.getElementById(id);
const TOP = 26; // px, for numbers above the map
const LEFT = 44; // px, for metres across
const BOTTOM = 24; // px, for metres along
const LEAST_PX = 72; // the map is stretched across to this height, so that strips can be told apart
const MOST_PX = 340;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Patterns by state: dots, hatching both ways, bars, solid.
function pattern(g, state) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const t = tile.getContext("2d");
  t.fillStyle = colour("--ground");
  t.fillRect(0, 0, 8, 8);
  if (state === "0") {
    t.fillStyle = colour("--line");
    t.fillRect(3, 3, 2, 2);
  } else if (state === "1") {
    t.strokeStyle = colour("--invalid");
    t.lineWidth = 2.5;
    t.beginPath();
    for (const [a, b, c, d] of [[0, 0, 8, 8], [8, 0, 0, 8], [-4, 4, 4, 12], [4, -4, 12, 4]]) {
      t.moveTo(a, b);
      t.lineTo(c, d);
    }
    t.stroke();
  } else if (state === "2") {
    t.fillStyle = colour("--gate");
    t.fillRect(0, 0, 8, 4);
  } else {
    t.fillStyle = colour("--gate");
    t.fillRect(0, 0, 8, 8);
  }
  return g.createPattern(tile, "repeat");
}

export class LaneMap {
  constructor() {
    this.canvas = $("lane");
    this.ground = null;
    this.drawn = null; // the picture of the ground, and what it was drawn for
    this.key = "";
    this.number = 0;
  }

  set(ground) {
    this.ground = ground;
    this.number += 1;
    this.canvas.hidden = false;
    const height = this.frame().height;
    this.canvas.style.setProperty("height", `${height}px`);
  }

  clear() {
    this.ground = null;
    this.canvas.hidden = true;
  }

  frame() {
    const { columns, rows, cell_m } = this.ground;
    const [length, width] = [columns * cell_m, rows * cell_m];
    const room = Math.max(50, this.canvas.clientWidth - LEFT - 22);
    const wanted = (room / length) * width;
    const tall = this.ground.lane ? Math.min(MOST_PX, Math.max(LEAST_PX, wanted)) : 30;
    // wide ground is kept to scale: then it is the height that limits
    const wide = wanted > MOST_PX ? (MOST_PX / width) * length : room;
    return { wide, tall, height: Math.round(TOP + tall + BOTTOM), perX: wide / length, perY: tall / width };
  }

  draw(place) {
    if (this.ground === null || this.canvas.clientWidth === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const f = this.frame();
    const key = [this.number, this.canvas.clientWidth, ratio, document.documentElement.dataset.theme].join();
    if (key !== this.key) {
      this.canvas.style.setProperty("height", `${f.height}px`);
      this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
      this.canvas.height = Math.round(f.height * ratio);
      this.drawn = document.createElement("canvas");
      this.drawn.width = this.canvas.width;
      this.drawn.height = this.canvas.height;
      const g = this.drawn.getContext("2d");
      g.setTransform(ratio, 0, 0, ratio, 0, 0);
      this.drawGround(g, f);
      this.key = key;
    }
    const g = this.canvas.getContext("2d");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, this.canvas.width, this.canvas.height);
    g.drawImage(this.drawn, 0, 0);
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawHead(g, f, place);
  }

  drawGround(g, f) {
    const { columns, rows, cell_m, cells, origin_m, gaps } = this.ground;
    for (const state of "0123") {
      g.beginPath();
      for (let row = 0; row < rows; row++) {
        const line = cells.slice(row * columns, (row + 1) * columns);
        for (let from = line.indexOf(state); from >= 0; ) {
          let to = from;
          while (line[to] === state) to++;
          g.rect(LEFT + from * cell_m * f.perX, TOP + row * cell_m * f.perY, (to - from) * cell_m * f.perX, cell_m * f.perY);
          from = line.indexOf(state, to);
        }
      }
      g.fillStyle = pattern(g, state);
      g.fill();
    }
    g.strokeStyle = g.fillStyle = colour("--ink");
    g.lineWidth = 2;
    g.strokeRect(LEFT, TOP, f.wide, f.tall);
    g.font = "bold 14px system-ui, 'DejaVu Sans', sans-serif";
    const length = columns * cell_m;
    const step = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500].find((s) => (f.wide * s) / length >= 44) ?? 1000;
    g.textAlign = "center";
    for (let m = Math.ceil(origin_m / step - 1e-6) * step; m <= origin_m + length + 1e-6; m += step) {
      const x = LEFT + (m - origin_m) * f.perX;
      g.fillRect(x - 1, TOP + f.tall, 2, 6);
      g.fillText(`${+m.toFixed(1)} m`, x, TOP + f.tall + 20);
    }
    if (this.ground.lane) {
      const width = rows * cell_m;
      const rise = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].find((s) => (f.tall * s) / width >= 24) ?? 200;
      g.textAlign = "right";
      for (let m = 0; m <= width + 1e-6; m += rise) {
        const y = TOP + m * f.perY;
        g.fillRect(LEFT - 6, y - 1, 6, 2);
        g.fillText(`${+m.toFixed(1)}`, LEFT - 9, Math.min(y + 5, TOP + f.tall));
      }
    }
    // numbers of the gaps, the largest of those that would touch
    let last = -Infinity;
    g.textAlign = "center";
    gaps.forEach((gap, k) => {
      const x = LEFT + (gap.at_m[0]) * f.perX;
      if (x - last < 26) return;
      last = x;
      const y = TOP + gap.at_m[1] * f.perY;
      g.beginPath();
      g.moveTo(x, y);
      g.lineTo(x, TOP - 2);
      g.lineWidth = 2;
      g.strokeStyle = colour("--ink");
      g.stroke();
      g.fillStyle = colour("--ink");
      g.fillRect(x - 13, 2, 26, TOP - 4);
      g.fillStyle = colour("--ground");
      g.fillText(`${k + 1}`, x, TOP - 8);
    });
  }

  drawHead(g, f, place) {
    if (!place || place[0] === null || place[1] === null) return;
    const x = LEFT + (place[0] - this.ground.origin_m) * f.perX;
    const y = TOP + (this.ground.lane ? place[1] * f.perY : f.tall / 2);
    if (x < LEFT - 20 || x > LEFT + f.wide + 20 || y < 0 || y > f.height) return;
    g.beginPath();
    g.moveTo(x + 12, y);
    g.lineTo(x, y - 12);
    g.lineTo(x - 12, y);
    g.lineTo(x, y + 12);
    g.closePath();
    g.fillStyle = colour("--mark");
    g.fill();
    g.lineWidth = 3;
    g.strokeStyle = colour("--ink");
    g.stroke();
  }
}

// Figures and gaps in words, beside the map.
export function showGaps(ground) {
  $("gaps").replaceChildren(
    ...ground.gaps.map((gap) => {
      const li = document.createElement("li");
      li.textContent = gap.text;
      if (gap.doubted) li.className = "doubted";
      return li;
    }),
  );
  if (ground.more_gaps) {
    const li = document.createElement("li");
    li.textContent = `and ${ground.more_gaps} more, see the map`;
    $("gaps").append(li);
  }
  $("gaps-title").textContent = ground.gaps.length ? `Sweep again: ${ground.gaps.length + ground.more_gaps}` : "No gap";
}
