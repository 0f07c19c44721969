// The control page: shows what the desk says, sends what the hand does, and never guesses in between.
import { ask, by, connect, fill, make, sender } from "./parts.js";
import { Readouts } from "./figures.js";
import { takePictures } from "./pictures.js";
import { drawLandmarks } from "./plot.js";

const REGIONS = { brows: "Brows", eyes: "Eyes", gaze: "Gaze", mouth: "Mouth", jaw: "Jaw", cheeks: "Cheeks", head: "Head" };
const NAMES = { driver: "camera", output: "outputs", fps: "rate", canvas: "canvas" };
let state = null, withheld = null, figures = {}, hold = 0, said = 0;
const readouts = new Readouts();

function tell(text) {
  by("message").hidden = !text;
  by("message").firstElementChild.textContent = text || "";
}
by("message-close").addEventListener("click", () => tell(""));
const failed = error => tell(error instanceof TypeError ? "The engine does not answer. Is run_live.py still running?" : String(error.message || error));
const patch = sender(changes => ask("PATCH", "/api/state", changes), (found, more) => { if (!more) settle(found); }, error => { failed(error); settle(state); });
async function act(method, path, body, raw) {
  try { const found = await ask(method, path, body, raw); if (found && found.version) show(found); return found; } catch (error) { failed(error); return null; }
}

// --- what is shown

function status(text, kind) {
  const chip = by("status");
  if (chip.textContent !== text) chip.textContent = text;
  chip.className = `chip ${kind}`;
}

function showStatus() {
  if (!state) return;
  if (Date.now() < said) { showBadge(); return; }
  if (state.run === "stopped") status("Stopped", "off");
  else if (state.run === "starting") status("Starting", "idle");
  else if (state.privacy) status("Privacy card", "off");
  else if (state.freeze) status("Frozen", "idle");
  else if (figures.driven) status("Live", "live");
  else status("No face: idle", "idle");
  showBadge();
}

// What everybody else sees is said on the picture itself, where the eyes are.
function showBadge() {
  const badge = by("badge"), lost = { imagine: "idle motion is shown", freeze: "the last picture is shown", card: "the card is shown" }[state.lost];
  const text = state.run !== "running" ? "" : state.privacy ? "Privacy: every output shows this card" : state.freeze ? "Frozen"
    : figures.driven === false ? `No face seen: ${lost}` : "";
  if (badge.textContent !== text) badge.textContent = text;
  badge.hidden = !text;
  badge.className = state.privacy ? "badge alarm" : "badge";
}

function setValue(element, value) { if (document.activeElement !== element || element.type !== "text") element.value = value; }

function slide(id, value, text) {
  const input = by(id);
  if (Date.now() > hold || document.activeElement !== input) input.value = value;
  input.parentElement.querySelector("output").textContent = text;
  input.setAttribute("aria-valuetext", text);
}

// What was said before the desk heard of a change would put the old value back under the hand: it waits for the answer.
function heard(found) { if (patch.busy()) withheld = found; else show(found); }
function settle(found) {
  if (found) show(found);
  if (withheld) show(withheld);
  withheld = null;
}

function show(found) {
  if (state && found.version < state.version) return;
  state = found;
  showStatus();
  for (const region of Object.keys(REGIONS)) slide(`gain-${region}`, state.gains[region], `${Math.round(state.gains[region] * 100)} %`);
  slide("smoothing", state.smoothing, state.smoothing ? `${state.smoothing} ms` : "off");
  const auto = state.lookahead === "auto";
  by("lookahead-auto").checked = auto;
  by("lookahead").disabled = auto;
  slide("lookahead", auto ? 0 : state.lookahead, auto ? "auto" : `${state.lookahead} ms`);
  by("mirror").checked = state.mirror;
  by("generator").checked = state.generator;
  by("freeze").setAttribute("aria-pressed", state.freeze);
  by("privacy").setAttribute("aria-pressed", state.privacy);
  for (const radio of document.querySelectorAll("input[name=lost]")) radio.checked = radio.value === state.lost;
  choose(by("size"), state.size === null ? "" : String(state.size));
  choose(by("canvas"), state.canvas ? state.canvas.join("x") : "");
  choose(by("fps-choice"), String(state.fps));
  by("clear-hint").hidden = state.background !== "alpha";
  showBackgrounds();
  showSources();
  showOutputs();
  showDrivers();
  showPresets();
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
}

function choose(select, value) {
  if (![...select.options].some(option => option.value === value)) select.add(new Option(value, value));
  select.value = value;
}

function showSources() {
  const key = [state.sources, state.source];
  fill(by("sources"), key, () => [...state.sources.map((source, i) => {
    const mark = { preparing: "preparing", failed: "unusable" }[source.status];
    return make("li", {},
      make("button", { type: "button", class: "tile", "data-id": source.id, "data-status": source.status, "aria-pressed": source.id === state.source,
        "aria-label": `${source.name}${i < 9 ? `, key ${i + 1}` : ""}${mark ? `, ${mark}` : ""}`, title: source.error || source.name,
        onclick: () => act("POST", `/api/sources/${source.id}/use`), onpointerenter: () => prepare(source) },
        make("img", { src: `/api/sources/${source.id}/thumbnail`, alt: "", draggable: "false" }),
        i < 9 ? make("span", { class: "key", "aria-hidden": "true" }, String(i + 1)) : null,
        mark ? make("span", { class: "mark", "aria-hidden": "true" }, mark) : null),
      make("span", { class: "named", "aria-hidden": "true" }, source.name),
      source.own && source.id !== state.source ? make("button", { type: "button", class: "remove", "data-id": `x${source.id}`, "aria-label": `Delete ${source.name}`,
        onclick: () => act("DELETE", `/api/sources/${source.id}`) }, "×") : null);
  }), make("li", {}, make("button", { type: "button", class: "tile add", "data-id": "add", onclick: () => by("upload").click() }, make("b", { "aria-hidden": "true" }, "+"), "Add"))]);
}

const asked = new Set();
function prepare(source) {
  if (source.status !== "new" || asked.has(source.id)) return;
  asked.add(source.id);
  ask("POST", `/api/sources/${source.id}/prepare`).catch(() => {});
}

function showBackgrounds() {
  const fixed = [["own", "Photo's own"], ["blur", "Blur"], ["green", "Green"], ["alpha", "Clear"]];
  const colour = state.background.startsWith("#");
  if (colour) by("colour").value = state.background.toLowerCase();
  fill(by("backgrounds"), [state.backgrounds, state.background], () => {
    const option = (value, content, checked, name) => make("label", {}, make("input", { type: "radio", name: "background", value, checked, "data-id": value,
      "aria-label": name, onchange: () => patch({ background: value === "#" ? by("colour").value : value }) }), make("span", {}, content));
    return [...fixed.map(([value, text]) => option(value, text, state.background === value, text)),
      option("#", "Colour", colour, "Colour"),
      ...state.backgrounds.map(b => make("div", {}, option(`picture:${b.id}`, make("img", { src: `/api/backgrounds/${b.id}/thumbnail`, alt: "" }), state.background === `picture:${b.id}`, `Picture ${b.name}`),
        state.background === `picture:${b.id}` ? null : make("button", { type: "button", class: "remove", "data-id": `x${b.id}`, "aria-label": `Delete background ${b.name}`,
          onclick: () => act("DELETE", `/api/backgrounds/${b.id}`) }, "×")))];
  });
}

function showPresets() {
  fill(by("presets"), state.presets, () => state.presets.map(name => make("li", {},
    make("button", { type: "button", "data-id": name, onclick: () => act("POST", `/api/presets/${encodeURIComponent(name)}/use`) }, name),
    make("button", { type: "button", class: "quiet", "aria-label": `Delete preset ${name}`, "data-id": `x${name}`, onclick: () => act("DELETE", `/api/presets/${encodeURIComponent(name)}`) }, "×"))));
}

// --- devices

let devices = { cameras: [], virtual_camera: false, why_not: "looking" };
async function look() {
  try { devices = await ask("GET", "/api/devices"); } catch { return; }
  if (state) { showDrivers(); showOutputs(); }
}

function showDrivers() {
  fill(by("driver"), [devices.cameras, state.driver], () => {
    const known = [["auto", "First camera found"], ...devices.cameras.map(c => [c.driver, c.name]), ["imagine", "None: imagined motion"]];
    if (!known.some(([value]) => value === state.driver)) known.push([state.driver, state.driver]);
    return known.map(([value, text]) => make("option", { value, selected: value === state.driver }, text));
  });
}

function showOutputs() {
  const vcam = state.outputs.includes("vcam") || state.outputs.includes("auto") && devices.virtual_camera;
  by("out-vcam").checked = vcam;
  by("out-vcam").disabled = !devices.virtual_camera && !vcam;
  by("vcam-why").textContent = devices.virtual_camera ? "" : devices.why_not || "";
  const others = state.outputs.filter(word => !["vcam", "preview", "auto"].includes(word));
  fill(by("out-others"), others, () => others.map(word => make("label", { class: "check" },
    make("input", { type: "checkbox", checked: true, "data-id": word, onchange: () => outputs(state.outputs.filter(other => other !== word)) }), make("span", {}, word))));
}

const outputs = words => patch({ outputs: words.filter(word => word !== "auto") });
by("out-vcam").addEventListener("change", event => outputs(event.target.checked ? [...state.outputs, "vcam"] : state.outputs.filter(word => word !== "vcam")));
function addOutput() {
  const word = by("out-new").value.trim();
  if (word) { outputs([...state.outputs, word]); by("out-new").value = ""; }
}
by("out-add").addEventListener("click", addOutput);
by("out-new").addEventListener("keydown", event => { if (event.key === "Enter") addOutput(); });
by("driver").addEventListener("change", event => patch({ driver: event.target.value }));
by("driver").addEventListener("focus", look);
by("canvas").addEventListener("change", event => patch({ canvas: event.target.value ? event.target.value.split("x").map(Number) : null }));
by("fps-choice").addEventListener("change", event => patch({ fps: Number(event.target.value) }));
by("run").addEventListener("click", () => act("POST", `/api/run/${state.run === "stopped" ? "start" : "stop"}`));
by("restart").addEventListener("click", () => act("POST", "/api/run/restart"));

// --- motion and scene

function moved(changes) { hold = Date.now() + 600; patch(changes); }
const rested = (input, value) => input.addEventListener("dblclick", () => { input.value = value; input.dispatchEvent(new Event("input")); });
by("gains").append(...Object.entries(REGIONS).map(([region, name]) => make("label", { class: "row" }, make("span", {}, name),
  make("input", { id: `gain-${region}`, type: "range", min: 0, max: 2, step: 0.05, oninput: event => moved({ gains: { [region]: Number(event.target.value) } }) }),
  make("output", { for: `gain-${region}` }))));
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
by("colour").addEventListener("input", event => patch({ background: event.target.value }));
by("preset-form").addEventListener("submit", event => {
  event.preventDefault();
  const name = by("preset-name").value.trim();
  if (name) act("PUT", `/api/presets/${encodeURIComponent(name)}`).then(found => { if (found) by("preset-name").value = ""; });
});

// --- actions and keys

async function calibrate() {
  said = Date.now() + 1800;
  status("Look straight ahead, face relaxed", "idle");
  await act("POST", "/api/calibrate");
}
const freeze = () => state && patch({ freeze: !state.freeze });
const privacy = () => state && patch({ privacy: !state.privacy });
by("calibrate").addEventListener("click", calibrate);
by("freeze").addEventListener("click", freeze);
by("privacy").addEventListener("click", privacy);

const view = { mirror: false, debug: false };
try { Object.assign(view, JSON.parse(localStorage.getItem("view") || "{}")); } catch { /* private window */ }
function setView(name, on) {
  view[name] = on;
  try { localStorage.setItem("view", JSON.stringify(view)); } catch { /* private window */ }
  by(`view-${name}`).setAttribute("aria-pressed", on);
  if (name === "mirror") by("preview").classList.toggle("turned", on);
  if (name === "debug") debug(on);
}
by("view-mirror").addEventListener("click", () => setView("mirror", !view.mirror));
by("view-debug").addEventListener("click", () => setView("debug", !view.debug));

document.addEventListener("keydown", event => {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || at.matches("input[type=text], select, textarea") || by("keys").open) return;
  const key = event.key.toLowerCase();
  if (key === " ") {
    if (at.matches("button, a, input:not([type=range])")) return;  // there, space presses what has the focus
    event.preventDefault();
    freeze();
  } else if (key === "x") calibrate();
  else if (key === "p") privacy();
  else if (key === "m") setView("mirror", !view.mirror);
  else if (key === "?") by("keys").showModal();
  else if (/^[1-9]$/.test(key) && state && state.sources[key - 1]) act("POST", `/api/sources/${state.sources[key - 1].id}/use`);
});

by("keys-open").addEventListener("click", () => by("keys").showModal());
// Who clicks with a mouse goes on with the keys: space must freeze then, not press the same button again.
document.addEventListener("click", event => { if (event.detail) event.target.closest?.("main button, header button, main input[type=checkbox], main input[type=radio]")?.blur(); });

takePictures({ act, tell, patch, most: () => state.upload_mb });

// --- what streams in

connect("/api/events", {
  message(text) {
    const found = JSON.parse(text);
    if (found.state) { tell.lost = false; heard(found.state); }
    if (found.figures) showFigures(found.figures);
  },
  close() { state && (state.version = -1); status("Not connected", "off"); },
});

function showFigures(found) {
  figures = found;
  showStatus();
  readouts.show(found, state?.fps || 30);
}

const screen = by("preview"), pen = screen.getContext("2d");
window.shown = 0;  // pictures drawn, for tests
connect("/api/preview", {
  open(socket) { socket.send("next"); },
  async message(jpeg, socket) {
    try {
      const picture = await createImageBitmap(jpeg);
      if (screen.width !== picture.width || screen.height !== picture.height) { screen.width = picture.width; screen.height = picture.height; }
      pen.drawImage(picture, 0, 0);
      picture.close();
      window.shown++;
    } finally { if (socket.readyState === WebSocket.OPEN) socket.send("next"); }
  },
});

let leave = null, ground = null;
function debug(on) {
  by("debug").hidden = !on;
  leave?.();
  leave = null;
  if (!on) return;
  let seen = { aspect: 4 / 3, points: [] };
  by("debug-text").textContent = state?.driver === "imagine" ? "Imagined motion: there is no driver to see" : "Waiting for a face";
  drawLandmarks(by("landmarks"), seen, null);
  leave = connect("/api/landmarks", {
    async message(data) {
      if (typeof data !== "string") { ground?.close(); ground = await createImageBitmap(data); }
      else {
        seen = JSON.parse(data);
        by("debug-text").textContent = seen.points.length ? "Driver's landmarks" : "No face";
      }
      drawLandmarks(by("landmarks"), seen, ground);
    },
  });
}

addEventListener("resize", () => readouts.redraw());
setView("mirror", view.mirror);
setView("debug", view.debug);
look();
