// The person alone: each picture comes as colour above opacity, and is put together here.
import { by, connect } from "./parts.js";

const screen = by("person"), pen = screen.getContext("2d");
const table = document.createElement("canvas"), hand = table.getContext("2d", { willReadFrequently: true });
window.shown = 0;  // pictures drawn, for tests

connect("/api/clear", {
  open(socket) { socket.send("next"); },
  async message(jpeg, socket) {
    try {
      const both = await createImageBitmap(jpeg), width = both.width, height = both.height >> 1;
      if (screen.width !== width || screen.height !== height) { screen.width = table.width = width; screen.height = height; table.height = 2 * height; }
      hand.drawImage(both, 0, 0);
      both.close();
      const picture = hand.getImageData(0, 0, width, height), opacity = hand.getImageData(0, height, width, height).data;
      for (let i = 3; i < opacity.length; i += 4) picture.data[i] = opacity[i - 2];
      pen.putImageData(picture, 0, 0);
      window.shown++;
    } finally { if (socket.readyState === WebSocket.OPEN) socket.send("next"); }
  },
  // A page that the engine has left shows nobody rather than somebody who stands still.
  close() { pen.clearRect(0, 0, screen.width, screen.height); },
});
