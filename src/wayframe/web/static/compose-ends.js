// What comes before the first picture and after the last one: segments with a picture on one side only.
import { announce, el, keepInStep, mark, show } from "./compose-dom.js";
import { place } from "./compose-draft.js";
import { number, seconds } from "./compose-grid.js";
import { isLoop, isTimeline, setLeading } from "./compose-order.js";
import { SEGMENT_WORDS, SegmentWords } from "./compose-segment.js";

const trailsOf = ({ trail }) => (Array.isArray(trail) ? trail : trail ? [trail] : []);

export class Ends {
  #cards = new WeakMap();

  constructor(root, draft, page) {
    Object.assign(this, { root, draft, page });
    const part = (name) => root.querySelector(`[data-${name}]`);
    [this.lead, this.leads, this.trails, this.alone] = ["lead", "leads", "trails", "alone"].map(part);
    this.lead.addEventListener("change", () => setLeading(draft, "lead", this.lead.checked ? {} : undefined, page));
    this.add = part("add-trail");
    this.add.addEventListener("click", () => this.#addTrail());
  }

  show() {
    const { words, stops } = this.draft;
    const looped = isLoop(this.draft);
    this.lead.checked = words.lead !== undefined;
    mark(this.lead, "disabled", looped && words.lead === undefined);
    this.#list(this.leads, words.lead === undefined ? [] : ["lead"]);
    this.#list(this.trails, trailsOf(words).map((_, index) => `trail-${index}`));
    mark(this.add, "disabled", looped);
    this.add.textContent = words.trail === undefined ? "Add a segment after the last picture" : "Add another one";
    this.alone.hidden = !(words.segments !== undefined || (stops.length === 1 && !looped && !words.trail && !words.lead && !words.continue_from));
    if (words.lead !== undefined || words.trail !== undefined || words.segments !== undefined) this.#unfold();
  }

  #unfold() {
    if (!this.root.dataset.seen) this.root.open = true;
    this.root.dataset.seen = "yes";
  }

  #list(list, keys) {
    keepInStep(list, keys, { key: (key) => key, make: (key) => this.#make(key), update: (item, key) => this.#update(item, key) });
  }

  #wordsOf(key) {
    return key === "lead" ? (this.draft.words.lead ?? {}) : (trailsOf(this.draft.words)[Number(key.split("-")[1])] ?? {});
  }

  #change(key, what, how) {
    this.draft.change(`${key}.${what}`, () => how(this.#wordsOf(key)));
  }

  #make(key) {
    const scope = {
      words: () => this.#wordsOf(key),
      set: (path, value) => this.#change(key, path, (words) => place(words, path.split("."), value)),
      change: (what, how) => this.#change(key, what, how),
      resolved: () => this.page.resolvedOf(key),
    };
    const own = new SegmentWords(`end-${key}`, scope, this.page);
    const field = (name, label, properties, tag = "input") =>
      el("div", { class: "field", data: { of: name } }, el("label", { for: `end-${key}-${name}` }, label), el(tag, { id: `end-${key}-${name}`, autocomplete: "off", data: { own: name }, ...properties, oninput: ({ target }) => scope.set(name, name === "frames" ? number(target.value) : target.value) }));
    const gone = el("button", { type: "button", class: "icon plain", "aria-label": key === "lead" ? "Remove the lead" : `Remove trail ${Number(key.split("-")[1]) + 1}`, onclick: () => this.#remove(key) }, "×");
    const item = el("li", { class: "end" }, el("div", { class: "bar" }, el("strong", { class: "name" }), el("span", { class: "soft small size" }), gone), el("div", { class: "leg" }, field("prompt", "Prompt", { rows: 2 }, "textarea"), field("frames", "Frames", { inputmode: "numeric" })), own.root, el("p", { class: "soft small also" }));
    this.#cards.set(item, own);
    return item;
  }

  #update(item, key) {
    const words = this.#wordsOf(key);
    const { page, draft } = this;
    const index = Number(key.split("-")[1]);
    item.querySelector(".name").textContent = key === "lead" ? `From ${draft.words.continue_from ? "the video" : "nowhere"} to picture 1` : index ? "And on from there" : `Away from picture ${draft.stops.length}`;
    const frames = page.framesOf(key);
    item.querySelector(".size").textContent = frames ? `${frames} frames, ${seconds(frames, page.fps)}` : "";
    item.querySelector('[data-of="frames"]').hidden = Array.isArray(draft.words.segment_frames) || (key === "lead" && isTimeline(draft));
    const field = key === "lead" ? "lead" : Array.isArray(draft.words.trail) ? `trail[${index}]` : "trail";
    for (const control of item.querySelectorAll("[data-own]")) {
      show(control, words[control.dataset.own]);
      mark(control, "aria-invalid", page.wrong === `${field}.${control.dataset.own}`);
    }
    item.querySelector('[data-own="frames"]').placeholder = frames ?? "";
    this.#cards.get(item).show({ wrong: page.wrong.startsWith(`${field}.`) ? page.wrong.slice(field.length + 1) : "" });
    const more = Object.keys(words).filter((name) => !SEGMENT_WORDS.includes(name));
    item.querySelector(".also").textContent = more.length ? `Also in this spec, kept as it is: ${more.join(", ")}` : "";
  }

  #addTrail() {
    this.draft.change("", ({ words }) => {
      if (words.trail === undefined) words.trail = {};
      else words.trail = [...trailsOf(words), {}];
    });
    this.trails.lastElementChild.querySelector("textarea").focus();
  }

  #remove(key) {
    if (key === "lead") setLeading(this.draft, "lead", undefined, this.page);
    else this.draft.change("", ({ words }) => {
      const left = trailsOf(words).filter((_, index) => `trail-${index}` !== key);
      if (!left.length) delete words.trail;
      else words.trail = left.length === 1 ? left[0] : left;
    });
    announce("removed; undo brings it back");
    (key === "lead" ? this.lead : this.add).focus();
  }
}
