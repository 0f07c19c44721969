// How the picture moves: gains, smoothing, lookahead, mirror, generator, size, and what a lost face does.
import { by, choose, make } from "./parts.js";
import { onState, patch } from "./state.js";

const REGIONS = { brows: "Brows", eyes: "Eyes", gaze: "Gaze", mouth: "Mouth", jaw: "Jaw", cheeks: "Cheeks", head: "Head" };
const HOLD_MS = 600;  // a slider under the hand is not put back by what the desk said before
let hold = 0;

by("gains").append(...Object.entries(REGIONS).map(([region, name]) => make("label", { class: "row" }, make("span", {}, name),
  make("input", { id: `gain-${region}`, type: "range", min: 0, max: 2, step: 0.05, oninput: event => moved({ gains: { [region]: Number(event.target.value) } }) }),
  make("output", { for: `gain-${region}` }))));

function slide(id, value, text) {
  const input = by(id);
  if (Date.now() > hold || document.activeElement !== input) input.value = value;
  input.parentElement.querySelector("output").textContent = text;
  input.setAttribute("aria-valuetext", text);
}

onState(state => {
  for (const region of Object.keys(REGIONS)) slide(`gain-${region}`, state.gains[region], `${Math.round(state.gains[region] * 100)} %`);
  slide("smoothing", state.smoothing, state.smoothing ? `${state.smoothing} ms` : "off");
  const auto = state.lookahead === "auto";
  by("lookahead-auto").checked = auto;
  by("lookahead").disabled = auto;
  slide("lookahead", auto ? 0 : state.lookahead, auto ? "auto" : `${state.lookahead} ms`);
  by("mirror").checked = state.mirror;
  by("generator").checked = state.generator;
  for (const radio of document.querySelectorAll("input[name=lost]")) radio.checked = radio.value === state.lost;
  choose(by("size"), state.size === null ? "" : String(state.size));
});

function moved(changes) { hold = Date.now() + HOLD_MS; patch(changes); }
const rested = (input, value) => input.addEventListener("dblclick", () => { input.value = value; input.dispatchEvent(new Event("input")); });

for (const region of Object.keys(REGIONS)) rested(by(`gain-${region}`), 1);
rested(by("smoothing"), 0);
by("gains-reset").addEventListener("click", () => patch({ gains: Object.fromEntries(Object.keys(REGIONS).map(region => [region, 1])) }));
by("smoothing").addEventListener("input", event => moved({ smoothing: Number(event.target.value) }));
by("lookahead").addEventListener("input", event => moved({ lookahead: Number(event.target.value) }));
by("lookahead-auto").addEventListener("change", event => patch({ lookahead: event.target.checked ? "auto" : 30 }));
by("mirror").addEventListener("change", event => patch({ mirror: event.target.checked }));
by("generator").addEventListener("change", event => patch({ generator: event.target.checked }));
by("lost").addEventListener("change", event => patch({ lost: event.target.value }));
by("size").addEventListener("change", event => patch({ size: event.target.value ? Number(event.target.value) : null }));
