// What one segment says of itself in the place of the trip's words: that of a keyframe, a lead or a trail.
import { look } from "./compose-draft.js";
import { el, mark, show } from "./compose-dom.js";
import { keepUnknown, READ, unfold } from "./compose-fields.js";
import { Phases } from "./compose-phases.js";

const PLANNED = ["seed", "amount_of_motion", "flow_shift"]; // what the plan has for them is shown where nothing is said
const SWITCH = [["", "as the trip"], ["true", "yes"], ["false", "no"]];
const solvers = () => [["", "as the trip"], ...[...document.getElementById("f-sample_solver").options].slice(1).map(({ value }) => [value, value])];
const PARTS = [
  ["More", [["negative_prompt", "Negative prompt"], ["seed", "Seed", "number"], ["amount_of_motion", "Motion (0 to 1)", "number"], ["text_before", "Text before the prompt"], ["text_after", "Text after the prompt"]]],
  [
    "Denoising and LoRAs",
    [["steps", "Steps", "number"], ["guidance", "Guidance", "number"], ["flow_shift", "Flow shift", "number"], ["sample_solver", "Solver", "text", solvers], ["cfg_star", "CFG-Zero* scale", "switch", () => SWITCH], ["cfg_zero", "Zero-init steps", "number"]],
  ],
  [
    "Look",
    [["look.colour_match", "Match colours (0 to 1)", "number"], ["look.saturation", "Saturation", "number"], ["look.brightness", "Brightness", "number"], ["look.banner", "Keyframes in the corners", "switch", () => SWITCH]],
  ],
];
/** Fields that have a control here; `look` is a block of some. */
export const SEGMENT_WORDS = ["prompt", "frames", "look", "loras", "phases", "phase_config", ...PARTS.flatMap(([, fields]) => fields.map(([path]) => path)).filter((path) => !path.includes("."))];

export class SegmentWords {
  /** `scope` gives `words()`, `set(path, value)`, `change(what, how)` and `resolved()` of the segment. */
  constructor(id, scope, page) {
    Object.assign(this, { id, scope, page, phases: null });
    this.parts = PARTS.map(([name, fields]) => el("details", {}, el("summary", {}, name), el("div", { class: "fields" }, fields.map((field) => this.#field(field)))));
    this.parts[1].addEventListener("toggle", () => this.#table());
    this.root = el("div", { class: "own" }, this.parts);
  }

  /** The first part, where its owner may put fields of its own. */
  get more() {
    return this.parts[0].querySelector(".fields");
  }

  #field([path, label, kind = "text", options = null]) {
    const id = `${this.id}-${path.replace(".", "-")}`;
    const bound = { id, autocomplete: "off", data: { say: path }, inputmode: kind === "number" ? "decimal" : null, oninput: ({ target }) => this.scope.set(path, READ[kind](target)) };
    const control = options ? el("select", bound, options().map(([value, words]) => el("option", { value }, words))) : el("input", bound);
    return el("div", { class: "field", data: { of: path } }, el("label", { for: id }, label), control);
  }

  /** The table of phases is made when it is looked at: a trip may have hundreds of segments. */
  #table() {
    if (!this.parts[1].open) return;
    this.phases ??= this.#makeTable();
    this.phases.show();
  }

  #makeTable() {
    const place = el("div", { class: "phases-own" }, document.getElementById("phases-template").content.cloneNode(true));
    for (const part of place.querySelectorAll("[id], [for]")) {
      for (const name of ["id", "for"]) if (part.hasAttribute(name)) part.setAttribute(name, `${this.id}-${part.getAttribute(name)}`);
    }
    this.parts[1].append(place);
    const { scope, page } = this;
    const draft = { get words() { return scope.words(); }, change: (what, how) => scope.change(what, (words) => how({ words })) };
    const view = { get resolved() { return scope.resolved(); }, get model() { return page.model; }, owner: "the trip" };
    return new Phases(place, draft, view);
  }

  /** Show what the words say; `wrong` is the field that the server refused, within this segment. */
  show({ wrong = "", begun = true } = {}) {
    const words = this.scope.words();
    for (const part of this.parts.slice(1)) part.hidden = !begun;
    const usual = this.scope.resolved() ?? {};
    for (const control of this.root.querySelectorAll("[data-say]")) {
      if (PLANNED.includes(control.dataset.say)) mark(control, "placeholder", usual[control.dataset.say]);
      const value = look(words, control.dataset.say);
      if (control.tagName === "SELECT") keepUnknown(control, value);
      else show(control, value);
      mark(control, "aria-invalid", wrong === control.dataset.say);
      control.parentElement.hidden = !begun;
      if (value !== undefined && begun) unfold(control);
    }
    if (words.phases || words.phase_config || words.loras) unfold(this.parts[1].querySelector(".fields"));
    this.#table();
  }
}
