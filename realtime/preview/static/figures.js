// The figures: rates and latency in the head, the plot, and a line for each stage and each output.
import { by, make } from "./parts.js";
import { LatencyPlot } from "./plot.js";

const RECENT = 25;  // messages, five a second

// What a figure means is said by its colour too, never by the colour alone: the number stands there.
const grade = (value, slow, bad) => (!Number.isFinite(value) || value <= slow ? "" : value <= bad ? "slow" : "bad");
const number = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));

function put(id, text, kind) {
  by(id).textContent = text;
  by(id).closest("dd").className = kind;
}

function rows(body, lines) {
  if (body.rows.length !== lines.length) body.replaceChildren(...lines.map(() => make("tr", {}, make("th", { scope: "row" }), make("td"), make("td"))));
  lines.forEach((line, i) => line.forEach((text, k) => { if (body.rows[i].cells[k].textContent !== text) body.rows[i].cells[k].textContent = text; }));
}

export class Readouts {
  constructor() { this.plot = new LatencyPlot(by("plot")); this.counts = []; }

  redraw() { this.plot.draw(); }

  show(found, wanted) {
    const latency = found.latency_ms?.p50, share = this.droppedShare(found);
    put("fps", number(found.fps, 1), grade(wanted - found.fps, 0.1 * wanted, 0.3 * wanted));
    put("latency", number(latency, 0), grade(latency, 100, 200));
    put("dropped", number(share, 0), grade(share, 3, 15));
    if (!found.stages_ms) return;
    this.plot.add(found.latencies_ms, found.latencies_total);
    rows(by("stages"), Object.entries(found.stages_ms).filter(([, ms]) => ms.p50 !== null)
      .map(([name, ms]) => [name, `${ms.p50.toFixed(1)} ms`, `${ms.p95.toFixed(1)} ms`]));
    rows(by("served"), Object.entries(found.sent || {}).map(([name, out]) => [name, `${out.longest_gap_ms.toFixed(0)} ms`, String(out.gaps_over_100_ms)]));
  }

  // Of the driver's frames of the last five seconds, in percent; a count since the start would never come down again.
  droppedShare({ frames_in: came, dropped }) {
    if (came === undefined || this.counts.length && came < this.counts.at(-1)[0]) this.counts.length = 0;
    if (came === undefined) return null;
    this.counts.push([came, dropped]);
    if (this.counts.length > RECENT) this.counts.shift();
    const [first, before] = this.counts[0];
    return came > first ? 100 * (dropped - before) / (came - first) : null;
  }
}
