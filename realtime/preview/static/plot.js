// The latency plot and the landmark view: both drawn on canvases, at the screen's own resolution.
const SHOWN = 300;

function sharp(canvas) {
  const ratio = window.devicePixelRatio || 1, { width, height } = canvas.getBoundingClientRect();
  const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

export class LatencyPlot {
  constructor(canvas) { this.canvas = canvas; this.values = []; this.known = 0; }

  add(values, total) {
    const fresh = total < this.known ? values.length : Math.min(total - this.known, values.length);
    this.known = total;
    if (fresh) this.values = this.values.concat(values.slice(-fresh)).slice(-SHOWN);
    this.draw();
  }

  draw() {
    const [pen, width, height] = sharp(this.canvas), style = getComputedStyle(document.documentElement);
    const colour = name => style.getPropertyValue(name).trim();
    const left = 40, bottom = 4, top = 8;
    const sorted = [...this.values].sort((a, b) => a - b);
    const high = sorted.length ? sorted[Math.floor(sorted.length * 0.98)] : 40;
    const most = [20, 40, 100, 200, 400, 1000, 2000, 4000, 10000].find(step => step > high) || Math.ceil(high / 1e4) * 1e4;
    const y = value => top + (height - top - bottom) * (1 - Math.min(value, most) / most);
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = colour("--dim");
    pen.strokeStyle = colour("--line");
    pen.lineWidth = 1;
    for (const value of [0, most / 2, most]) {
      pen.beginPath(); pen.moveTo(left, y(value) + 0.5); pen.lineTo(width, y(value) + 0.5); pen.stroke();
      pen.textAlign = "right"; pen.textBaseline = "middle"; pen.fillText(String(value), left - 6, y(value));
    }
    if (this.values.length < 2) return;
    const x = i => left + (width - left) * (i + SHOWN - this.values.length) / (SHOWN - 1);
    pen.beginPath();
    this.values.forEach((value, i) => (i ? pen.lineTo(x(i), y(value)) : pen.moveTo(x(i), y(value))));
    pen.strokeStyle = colour("--accent");
    pen.lineWidth = 1.25;
    pen.lineJoin = "round";
    pen.stroke();
    const last = sorted[Math.floor(sorted.length / 2)];
    this.canvas.setAttribute("aria-label", `Latency of each frame, median ${last.toFixed(0)} milliseconds`);
  }
}

const LINES = [
  [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10],
  [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7, 33],
  [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249, 263],
  [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146, 61],
  [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95, 78],
  [70, 63, 105, 66, 107], [336, 296, 334, 293, 300], [168, 6, 197, 195, 5, 4, 1],
];

// The driver's picture is not here: the ground is a flat dark tone unless the engine was started with --show-driver.
export function drawLandmarks(canvas, seen, ground) {
  const box = canvas.parentElement.getBoundingClientRect(), aspect = seen.aspect || 1;
  const width = Math.min(box.width, box.height * aspect), height = width / aspect, ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#15181e";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (ground) pen.drawImage(ground, 0, 0, canvas.width, canvas.height);
  const p = seen.points, x = i => p[2 * i] * canvas.width, y = i => p[2 * i + 1] * canvas.height;
  if (!p.length) return;
  pen.fillStyle = "#5f7fc8";
  for (let i = 0; i < p.length / 2; i++) pen.fillRect(x(i) - ratio / 2, y(i) - ratio / 2, ratio, ratio);
  pen.strokeStyle = "#a9c1ff";
  pen.lineWidth = 1.3 * ratio;
  for (const line of LINES) {
    pen.beginPath();
    line.forEach((i, k) => (k ? pen.lineTo(x(i), y(i)) : pen.moveTo(x(i), y(i))));
    pen.stroke();
  }
  pen.fillStyle = "#ffd479";
  for (const i of [468, 473]) if (i < p.length / 2) { pen.beginPath(); pen.arc(x(i), y(i), 3 * ratio, 0, 7); pen.fill(); }
}
