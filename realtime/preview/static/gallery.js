// The lists of what can be shown: sources, backgrounds, presets.
import { ask, by, fill, make } from "./parts.js";
import { act, onState, patch } from "./state.js";

onState(state => {
  showBackgrounds(state);
  showSources(state);
  showPresets(state);
});

function remove(id, what, path) {
  return make("button", { type: "button", class: "remove", "data-id": `x${id}`, "aria-label": `Delete ${what}`, onclick: () => act("DELETE", path) }, "×");
}

// --- sources

export const useSource = source => act("POST", `/api/sources/${source.id}/use`);

function showSources(state) {
  const add = () => make("li", {}, make("button", { type: "button", class: "tile add", "data-id": "add", onclick: () => by("upload").click() },
    make("b", { "aria-hidden": "true" }, "+"), "Add"));
  fill(by("sources"), [state.sources, state.source], () => [...state.sources.map((source, i) => tile(source, i, source.id === state.source)), add()]);
}

function tile(source, i, shown) {
  const mark = { preparing: "preparing", failed: "unusable" }[source.status];
  return make("li", {},
    make("button", { type: "button", class: "tile", "data-id": source.id, "data-status": source.status, "aria-pressed": shown,
      "aria-label": `${source.name}${i < 9 ? `, key ${i + 1}` : ""}${mark ? `, ${mark}` : ""}`, title: source.error || source.name,
      onclick: () => useSource(source), onpointerenter: () => prepare(source) },
      make("img", { src: `/api/sources/${source.id}/thumbnail`, alt: "", draggable: "false" }),
      i < 9 ? make("span", { class: "key", "aria-hidden": "true" }, String(i + 1)) : null,
      mark ? make("span", { class: "mark", "aria-hidden": "true" }, mark) : null),
    make("span", { class: "named", "aria-hidden": "true" }, source.name),
    source.own && !shown ? remove(source.id, source.name, `/api/sources/${source.id}`) : null);
}

const asked = new Set();
function prepare(source) {
  if (source.status !== "new" || asked.has(source.id)) return;
  asked.add(source.id);
  ask("POST", `/api/sources/${source.id}/prepare`).catch(() => {});
}

// --- backgrounds

const FIXED = [["own", "Photo's own"], ["blur", "Blur"], ["green", "Green"], ["alpha", "Clear"]];

function showBackgrounds(state) {
  const colour = state.background.startsWith("#");
  if (colour) by("colour").value = state.background.toLowerCase();
  by("clear-hint").hidden = state.background !== "alpha";
  fill(by("backgrounds"), [state.backgrounds, state.background], () => [
    ...FIXED.map(([value, text]) => option(value, text, state.background === value, text)),
    option("#", "Colour", colour, "Colour"),
    ...state.backgrounds.map(b => picture(b, state.background === `picture:${b.id}`))]);
}

function option(value, content, checked, name) {
  return make("label", {}, make("input", { type: "radio", name: "background", value, checked, "data-id": value, "aria-label": name,
    onchange: () => patch({ background: value === "#" ? by("colour").value : value }) }), make("span", {}, content));
}

function picture(b, shown) {
  return make("div", {}, option(`picture:${b.id}`, make("img", { src: `/api/backgrounds/${b.id}/thumbnail`, alt: "" }), shown, `Picture ${b.name}`),
    shown ? null : remove(b.id, `background ${b.name}`, `/api/backgrounds/${b.id}`));
}

by("colour").addEventListener("input", event => patch({ background: event.target.value }));

// --- presets

const preset = name => `/api/presets/${encodeURIComponent(name)}`;

function showPresets(state) {
  fill(by("presets"), state.presets, () => state.presets.map(name => make("li", {},
    make("button", { type: "button", "data-id": name, onclick: () => act("POST", `${preset(name)}/use`) }, name),
    make("button", { type: "button", class: "quiet", "aria-label": `Delete preset ${name}`, "data-id": `x${name}`, onclick: () => act("DELETE", preset(name)) }, "×"))));
}

by("preset-form").addEventListener("submit", event => {
  event.preventDefault();
  const name = by("preset-name").value.trim();
  if (name) act("PUT", preset(name)).then(found => { if (found) by("preset-name").value = ""; });
});
