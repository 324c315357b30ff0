// What a spec holds beside what has a control: shown, and kept as it is.
import { el } from "./compose-dom.js";

const ELSEWHERE = ["mode", "loop", "loras", "phases", "phase_config"]; // these have more than a control of their own

/** Paths and values of the fields without a control; of a block with some, those that have none. */
export function rest(words, known) {
  const paths = new Set([...known, ...ELSEWHERE]);
  const found = [];
  for (const [name, value] of Object.entries(words)) {
    if (paths.has(name)) continue;
    const isBlock = [...paths].some((path) => path.startsWith(`${name}.`));
    if (!isBlock) found.push([name, value]);
    else found.push(...Object.entries(value).filter(([inner]) => !paths.has(`${name}.${inner}`)).map(([inner, each]) => [`${name}.${inner}`, each]));
  }
  return found;
}

/** Show them. */
export function showRest(root, words, known) {
  const found = rest(words, known);
  root.hidden = !found.length;
  const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
  root.querySelector("dl").replaceChildren(...found.flatMap(([name, value]) => [el("dt", {}, el("code", {}, name)), el("dd", {}, el("pre", { tabindex: "0", "aria-label": name }, shown(value)))]));
}
