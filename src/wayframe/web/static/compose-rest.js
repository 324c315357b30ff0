// What a spec holds beside what has a control: shown, and kept as it is.
import { el } from "./compose-dom.js";

// These have more than a control of their own.
const ELSEWHERE = ["mode", "loop", "loras", "phases", "phase_config", "lead", "trail", "continue_from", "guides", "join.clips", "after.audio.file"];

/** Paths and values of the fields without a control; of a block with some, those that have none. */
export function rest(words, known, before = "") {
  const paths = new Set([...known, ...ELSEWHERE]);
  return Object.entries(words).flatMap(([name, value]) => {
    const path = before + name;
    if (paths.has(path)) return [];
    const isBlock = [...paths].some((each) => each.startsWith(`${path}.`));
    return isBlock && value !== null && typeof value === "object" ? rest(value, known, `${path}.`) : [[path, value]];
  });
}

/** Show them. */
export function showRest(root, words, known) {
  const found = rest(words, known);
  root.hidden = !found.length;
  const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
  root.querySelector("dl").replaceChildren(...found.flatMap(([name, value]) => [el("dt", {}, el("code", {}, name)), el("dd", {}, el("pre", { tabindex: "0", "aria-label": name }, shown(value)))]));
}
