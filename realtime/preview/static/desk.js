// The control page: shows what the desk says, sends what the hand does, and never guesses in between.
import "./devices.js";
import { Readouts } from "./figures.js";
import { useSource } from "./gallery.js";
import "./motion.js";
import { by, connect } from "./parts.js";
import { takePictures } from "./pictures.js";
import { turn } from "./screens.js";
import { act, desk, forget, heard, onState, patch, tell } from "./state.js";
import { sayFor, sayUnconnected, showStatus } from "./status.js";

// --- actions and keys

async function calibrate() {
  sayFor(1800, "Look straight ahead, face relaxed");
  await act("POST", "/api/calibrate");
}
const freeze = () => desk.state && patch({ freeze: !desk.state.freeze });
const privacy = () => desk.state && patch({ privacy: !desk.state.privacy });
by("calibrate").addEventListener("click", calibrate);
by("freeze").addEventListener("click", freeze);
by("privacy").addEventListener("click", privacy);
onState(state => {
  by("freeze").setAttribute("aria-pressed", state.freeze);
  by("privacy").setAttribute("aria-pressed", state.privacy);
});

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
  else if (key === "m") turn("mirror");
  else if (key === "?") by("keys").showModal();
  else if (/^[1-9]$/.test(key) && desk.state && desk.state.sources[key - 1]) useSource(desk.state.sources[key - 1]);
});

by("keys-open").addEventListener("click", () => by("keys").showModal());
// Who clicks with a mouse goes on with the keys: space must freeze then, not press the same button again.
document.addEventListener("click", event => { if (event.detail) event.target.closest?.("main button, header button, main input[type=checkbox], main input[type=radio]")?.blur(); });

takePictures({ act, tell, patch, most: () => desk.state.upload_mb });

// --- what streams in

const readouts = new Readouts();

connect("/api/events", {
  message(text) {
    const found = JSON.parse(text);
    if (found.state) heard(found.state);
    if (found.figures) showFigures(found.figures);
  },
  close() { forget(); sayUnconnected(); },
});

function showFigures(found) {
  desk.figures = found;
  showStatus();
  readouts.show(found, desk.state?.fps || 30);
}

addEventListener("resize", () => readouts.redraw());
