// Small parts: the DOM, the way to the desk, and sockets that come back.
export const by = id => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-") && value !== null) element.setAttribute(name, String(value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

// Choose an option, which is added where the list lacks it.
export function choose(select, value) {
  if (![...select.options].some(option => option.value === value)) select.add(new Option(value, value));
  select.value = value;
}

// Replace children only when what they show has changed: focus and drags survive.
export function fill(parent, key, build) {
  const text = JSON.stringify(key);
  if (parent.dataset.key === text) return;
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  parent.dataset.key = text;
  parent.replaceChildren(...build());
  if (focused) parent.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

export async function ask(method, path, body, raw = false) {
  const options = { method };
  if (raw) options.body = body;
  else if (body !== undefined) { options.body = JSON.stringify(body); options.headers = { "Content-Type": "application/json" }; }
  const answer = await fetch(path, options);
  const found = answer.status === 204 || answer.status === 202 ? null : await answer.json().catch(() => null);
  if (!answer.ok) {
    const detail = found && found.detail;
    throw new Error(typeof detail === "string" ? detail : Array.isArray(detail) && detail[0] ? detail[0].msg : `the engine answered ${answer.status}`);
  }
  return found;
}

// One request under way at a time; of what is asked meanwhile the newest of each kind is sent next.
// `push.busy()`: an answer is still to come.
export function sender(send, done, failed) {
  let waiting = null, busy = false;
  async function push(changes) {
    waiting = waiting ? { ...waiting, ...changes, ...(changes.gains ? { gains: { ...waiting.gains, ...changes.gains } } : {}) } : changes;
    if (busy) return;
    busy = true;
    while (waiting) {
      const now = waiting;
      waiting = null;
      try { done(await send(now), waiting !== null); } catch (error) { failed(error); }
    }
    busy = false;
  }
  push.busy = () => busy;
  return push;
}

export function connect(path, { open, message, close }) {
  let socket = null, ended = false, wait = 300;
  function start() {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
    socket.binaryType = "blob";
    socket.addEventListener("open", () => { wait = 300; open?.(socket); });
    socket.addEventListener("message", event => message(event.data, socket));
    socket.addEventListener("close", () => {
      if (ended) return;
      close?.();
      setTimeout(() => { if (!ended) start(); }, wait);
      wait = Math.min(wait * 1.7, 4000);
    });
  }
  start();
  return () => { ended = true; socket.close(); };
}
