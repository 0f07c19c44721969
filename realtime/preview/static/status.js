// How the run does: the chip in the head, the badge on the picture, the bar about restarts, the log.
import { by, fill, make } from "./parts.js";
import { act, desk, onState } from "./state.js";

const NAMES = { driver: "camera", output: "outputs", fps: "rate", canvas: "canvas" };
let said = 0;

function chip(text, kind) {
  const element = by("status");
  if (element.textContent !== text) element.textContent = text;
  element.className = `chip ${kind}`;
}

// Says something for a moment; what the run does is said again afterwards.
export function sayFor(ms, text) {
  said = Date.now() + ms;
  chip(text, "idle");
}

export function sayUnconnected() { chip("Not connected", "off"); }

export function showStatus() {
  const { state, figures } = desk;
  if (!state) return;
  showBadge(state, figures);
  if (Date.now() < said) return;
  if (state.run === "stopped") chip("Stopped", "off");
  else if (state.run === "starting") chip("Starting", "idle");
  else if (state.privacy) chip("Privacy card", "off");
  else if (state.freeze) chip("Frozen", "idle");
  else if (figures.driven) chip("Live", "live");
  else chip("No face: idle", "idle");
}

// What everybody else sees is said on the picture itself, where the eyes are.
function showBadge(state, figures) {
  const badge = by("badge"), lost = { imagine: "idle motion is shown", freeze: "the last picture is shown", card: "the card is shown" }[state.lost];
  const text = state.run !== "running" ? "" : state.privacy ? "Privacy: every output shows this card" : state.freeze ? "Frozen"
    : figures.driven === false ? `No face seen: ${lost}` : "";
  if (badge.textContent !== text) badge.textContent = text;
  badge.hidden = !text;
  badge.className = state.privacy ? "badge alarm" : "badge";
}

onState(state => {
  showStatus();
  fill(by("log"), state.notices, () => [...state.notices].reverse().map(line => make("li", { class: line.kind }, line.text)));
  const stopped = state.run === "stopped";
  by("run").lastElementChild.textContent = stopped ? "Start" : "Stop";
  by("run").querySelector("use").setAttribute("href", stopped ? "#i-start" : "#i-stop");
  by("run").className = stopped ? "primary" : "quiet";
  by("run").hidden = !state.can_restart;
  by("restart-bar").hidden = stopped || !state.restart_needed.length || !state.can_restart;
  by("restart-text").textContent = `Needs a restart: ${state.restart_needed.map(name => NAMES[name] || name).join(", ")}.`;
  by("veil").hidden = !stopped;
  by("veil").textContent = state.error || "Stopped. Camera and outputs are free.";
});

by("run").addEventListener("click", () => act("POST", `/api/run/${desk.state.run === "stopped" ? "start" : "stop"}`));
by("restart").addEventListener("click", () => act("POST", "/api/run/restart"));
