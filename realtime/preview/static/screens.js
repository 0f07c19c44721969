// The live preview, and beside it the driver's landmarks; mirror and debug view belong to this browser alone.
import { by, connect } from "./parts.js";
import { drawLandmarks } from "./plot.js";
import { desk } from "./state.js";

const view = { mirror: false, debug: false };
try { Object.assign(view, JSON.parse(localStorage.getItem("view") || "{}")); } catch { /* private window */ }

function setView(name, on) {
  view[name] = on;
  try { localStorage.setItem("view", JSON.stringify(view)); } catch { /* private window */ }
  by(`view-${name}`).setAttribute("aria-pressed", on);
  if (name === "mirror") by("preview").classList.toggle("turned", on);
  if (name === "debug") debug(on);
}
export const turn = name => setView(name, !view[name]);
by("view-mirror").addEventListener("click", () => turn("mirror"));
by("view-debug").addEventListener("click", () => turn("debug"));

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
  by("debug-text").textContent = desk.state?.driver === "imagine" ? "Imagined motion: there is no driver to see" : "Waiting for a face";
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

setView("mirror", view.mirror);
setView("debug", view.debug);
