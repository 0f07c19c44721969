// What the desk said last, and the two ways to it: `patch` for what is chosen, `act` for what is done.
import { ask, by, sender } from "./parts.js";

export const desk = { state: null, figures: {} };

const listeners = [];
let withheld = null;

// Calls `listener(state)` at each new state, and at once when there is one.
export function onState(listener) {
  listeners.push(listener);
  if (desk.state) listener(desk.state);
}

export function tell(text) {
  by("message").hidden = !text;
  by("message").firstElementChild.textContent = text || "";
}
by("message-close").addEventListener("click", () => tell(""));

const failed = error => tell(error instanceof TypeError ? "The engine does not answer. Is run_live.py still running?" : String(error.message || error));

export const patch = sender(changes => ask("PATCH", "/api/state", changes), (found, more) => { if (!more) settle(found); }, error => { failed(error); settle(desk.state); });

export async function act(method, path, body, raw) {
  try {
    const found = await ask(method, path, body, raw);
    if (found && found.version) show(found);
    return found;
  } catch (error) { failed(error); return null; }
}

// What was said before the desk heard of a change would put the old value back under the hand: it waits for the answer.
export function heard(found) { if (patch.busy()) withheld = found; else show(found); }

// A desk that was away counts anew.
export function forget() { if (desk.state) desk.state.version = -1; }

function settle(found) {
  if (found) show(found);
  if (withheld) show(withheld);
  withheld = null;
}

function show(found) {
  if (desk.state && found.version < desk.state.version) return;
  desk.state = found;
  for (const listener of listeners) listener(found);
}
