"""The preview page's HTML: self-contained, light and dark, no script from anywhere else."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>FaceAnime Live</title>
<style>
  :root { color-scheme: light dark; --fg: #1c1c1e; --bg: #f4f3f1; --dim: #6b6b70; --line: #d9d7d2; --ok: #2e7d4f;
          --idle: #9a6700; }
  @media (prefers-color-scheme: dark) {
    :root { --fg: #ececee; --bg: #161618; --dim: #9a9aa2; --line: #333338; --ok: #5fc28a; --idle: #e0b050; }
  }
  * { box-sizing: border-box }
  body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; align-items: center; gap: 14px;
         padding: 18px; font: 15px/1.45 system-ui, sans-serif; color: var(--fg); background: var(--bg) }
  main { flex: 1; min-height: 0; display: flex; align-items: center; justify-content: center; width: 100% }
  img { display: block; max-width: 100%; max-height: calc(100vh - 130px); border-radius: 10px; background: #0003 }
  footer { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center; justify-content: center;
           font-variant-numeric: tabular-nums; color: var(--dim) }
  footer b { color: var(--fg); font-weight: 600 }
  #state::before { content: "\\25CF"; margin-right: 6px; color: var(--dim) }
  #state.live::before { color: var(--ok) }
  #state.idle::before { color: var(--idle) }
  button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 8px;
           padding: 5px 12px; cursor: pointer }
  button:hover, button:focus-visible { border-color: var(--fg); color: var(--fg) }
  kbd { font: 600 12px ui-monospace, monospace; border: 1px solid var(--line); border-radius: 4px; padding: 0 5px }
</style>
<main><img id="picture" src="/stream.mjpg" alt="The animated photo"></main>
<footer>
  <span id="state" role="status">connecting</span>
  <span><b id="fps">&ndash;</b> pictures/s</span>
  <span>latency <b id="p50">&ndash;</b> ms, worst 5&nbsp;% <b id="p95">&ndash;</b> ms</span>
  <span>dropped <b id="dropped">&ndash;</b></span>
  <button id="recalibrate" title="Look straight ahead with a relaxed face">Recalibrate <kbd>X</kbd></button>
</footer>
<script src="/page.js"></script>
</html>
"""

SCRIPT = """"use strict";
const by = id => document.getElementById(id);
const show = (id, value) => { by(id).textContent = value === null || value === undefined ? "\\u2013" : value; };
function state(text, kind) { by("state").textContent = text; by("state").className = kind; }
let away = false, said = 0;
async function poll() {
  try {
    const s = await (await fetch("/stats.json", { cache: "no-store" })).json();
    show("fps", s.fps.toFixed(1));
    show("p50", s.p50 && s.p50.toFixed(1));
    show("p95", s.p95 && s.p95.toFixed(1));
    show("dropped", s.dropped);
    if (Date.now() > said) state(s.driven ? "live" : "no face: idling", s.driven ? "live" : "idle");
    if (away) { by("picture").src = "/stream.mjpg?" + Date.now(); away = false; }
  } catch { away = true; state("stopped: start run_live.py again", ""); }
}
async function recalibrate() {
  const answer = await fetch("/recalibrate", { method: "POST" });
  state(answer.ok ? "look straight ahead, face relaxed" : "could not recalibrate", "idle");
  said = Date.now() + 1500;
}
by("recalibrate").addEventListener("click", recalibrate);
document.addEventListener("keydown", e => {
  if (e.key.toLowerCase() === "x" && !e.ctrlKey && !e.metaKey && !e.altKey && !e.repeat) recalibrate();
});
poll(); setInterval(poll, 1000);
"""
