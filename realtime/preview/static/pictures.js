// Pictures in: the file dialogs, and dropping anywhere on the page.
import { by } from "./parts.js";

export function takePictures({ act, tell, patch, most }) {
  async function upload(files) {
    for (const file of files) {
      if (file.size > most() * 1e6) { tell(`${file.name} is larger than ${most()} MB.`); continue; }
      const source = await act("POST", `/api/sources?name=${encodeURIComponent(file.name.slice(0, 80))}`, file, true);
      if (source && files.length === 1) await act("POST", `/api/sources/${source.id}/use`);
    }
  }
  by("upload").addEventListener("change", async event => { await upload([...event.target.files]); event.target.value = ""; });
  by("add-background").addEventListener("click", () => by("upload-background").click());
  by("upload-background").addEventListener("change", async event => {
    const file = event.target.files[0];
    const made = file && await act("POST", `/api/backgrounds?name=${encodeURIComponent(file.name.slice(0, 80))}`, file, true);
    if (made) patch({ background: `picture:${made.id}` });
    event.target.value = "";
  });
  let inside = 0;
  const carriesFiles = event => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", event => { if (carriesFiles(event)) { inside++; by("drop").hidden = false; } });
  addEventListener("dragleave", event => { if (carriesFiles(event) && --inside <= 0) { inside = 0; by("drop").hidden = true; } });
  addEventListener("dragover", event => { if (carriesFiles(event)) event.preventDefault(); });
  addEventListener("drop", event => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    inside = 0;
    by("drop").hidden = true;
    upload([...event.dataTransfer.files]);
  });
}
