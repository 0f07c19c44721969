// Where the driver comes from and where pictures go.
import { ask, by, choose, fill, make } from "./parts.js";
import { desk, onState, patch } from "./state.js";

let found = { cameras: [], virtual_camera: false, why_not: "looking" };

async function look() {
  try { found = await ask("GET", "/api/devices"); } catch { return; }
  if (desk.state) show(desk.state);
}

function show(state) {
  choose(by("canvas"), state.canvas ? state.canvas.join("x") : "");
  choose(by("fps-choice"), String(state.fps));
  showDrivers(state);
  showOutputs(state);
}

function showDrivers(state) {
  fill(by("driver"), [found.cameras, state.driver], () => {
    const known = [["auto", "First camera found"], ...found.cameras.map(c => [c.driver, c.name]), ["imagine", "None: imagined motion"]];
    if (!known.some(([value]) => value === state.driver)) known.push([state.driver, state.driver]);
    return known.map(([value, text]) => make("option", { value, selected: value === state.driver }, text));
  });
}

function showOutputs(state) {
  const vcam = state.outputs.includes("vcam") || state.outputs.includes("auto") && found.virtual_camera;
  by("out-vcam").checked = vcam;
  by("out-vcam").disabled = !found.virtual_camera && !vcam;
  by("vcam-why").textContent = found.virtual_camera ? "" : found.why_not || "";
  const others = state.outputs.filter(word => !["vcam", "preview", "auto"].includes(word));
  fill(by("out-others"), others, () => others.map(word => make("label", { class: "check" },
    make("input", { type: "checkbox", checked: true, "data-id": word, onchange: () => send(without(word)) }), make("span", {}, word))));
}

const send = words => patch({ outputs: words.filter(word => word !== "auto") });
const without = word => desk.state.outputs.filter(other => other !== word);

function addOutput() {
  const word = by("out-new").value.trim();
  if (word) { send([...desk.state.outputs, word]); by("out-new").value = ""; }
}

by("out-vcam").addEventListener("change", event => send(event.target.checked ? [...desk.state.outputs, "vcam"] : without("vcam")));
by("out-add").addEventListener("click", addOutput);
by("out-new").addEventListener("keydown", event => { if (event.key === "Enter") addOutput(); });
by("driver").addEventListener("change", event => patch({ driver: event.target.value }));
by("driver").addEventListener("focus", look);
by("canvas").addEventListener("change", event => patch({ canvas: event.target.value ? event.target.value.split("x").map(Number) : null }));
by("fps-choice").addEventListener("change", event => patch({ fps: Number(event.target.value) }));

onState(show);
look();
