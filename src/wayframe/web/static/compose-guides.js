// Videos that stand in a list of the spec: those that guide the structure, and those that are joined.
import { announce, el, keepInStep, mark, show } from "./compose-dom.js";
import { keepUnknown, READ, unfold } from "./compose-fields.js";
import { Slot } from "./compose-media.js";

const KINDS = [["", "as it is"], ["canny", "its edges"], ["flow", "its motion"], ["depth", "its depth"]];
const FITS = [["", "stretched to its place"], ["clip", "cut to its place"]];
const GUIDE = [["kind", "Shown", "text", KINDS], ["at", "From frame or time", "moment"], ["until", "Until frame or time", "moment"], ["fit", "Length", "text", FITS], ["strength", "Strength (0 to 2)", "number"]];
const CLIP = [["frames", "Frames (from:until)", "text"]];

export class VideoList {
  #slots = new WeakMap();

  /** `of` gives the list, `set(list)` puts another one in its place. */
  constructor(root, { draft, page, media, field, of, set, fields }) {
    Object.assign(this, { root, draft, page, media, field, of, set, fields });
    this.list = root.querySelector("[data-videos]");
    root.querySelector("[data-add-video]").addEventListener("click", () => media.choose("video", (name) => this.#change("", (items) => [...items, { video: name }])));
  }

  show() {
    const items = this.of();
    keepInStep(this.list, items, { key: (_, index) => `${this.field}-${index}`, make: (_, index) => this.#make(index), update: (item, words, index) => this.#update(item, words, index) });
    if (items.length) unfold(this.list);
  }

  #change(what, how) {
    this.draft.change(what, () => this.set(how(structuredClone(this.of()).map((item) => (typeof item === "string" ? { video: item } : item)))));
  }

  #put(index, name, value) {
    const with_ = (words) => Object.fromEntries(Object.entries({ ...words, [name]: value }).filter(([, each]) => each !== undefined && each !== ""));
    this.#change(`${this.field} ${index} ${name}`, (items) => items.map((words, at) => (at === index ? with_(words) : words)));
  }

  #make(index) {
    const place = el("div", {});
    const slot = new Slot(place, {
      media: this.media,
      label: `Video ${index + 1}`,
      nameOf: () => this.of()[index]?.video ?? this.of()[index],
      put: (name) => (name ? this.#put(index, "video", name) : this.#remove(index)),
    });
    const controls = this.fields.map(([name, label, kind, options]) => {
      const id = `${this.field}-${index}-${name}`.replace(".", "-");
      const bound = { id, autocomplete: "off", data: { of: name }, oninput: ({ target }) => this.#put(index, name, READ[kind](target)) };
      const control = options ? el("select", bound, options.map(([value, words]) => el("option", { value }, words))) : el("input", bound);
      return el("div", { class: "field" }, el("label", { for: id }, label), control);
    });
    const item = el("li", { class: "end" }, place, el("div", { class: "fields" }, controls));
    this.#slots.set(item, slot);
    return item;
  }

  #update(item, words, index) {
    this.#slots.get(item).show();
    for (const control of item.querySelectorAll("[data-of]")) {
      if (control.tagName === "SELECT") keepUnknown(control, words[control.dataset.of]);
      else show(control, words[control.dataset.of]);
      mark(control, "aria-invalid", this.page.wrong === `${this.field}[${index}].${control.dataset.of}`);
    }
  }

  #remove(index) {
    this.#change("", (items) => items.filter((_, at) => at !== index));
    announce("removed; undo brings it back");
    this.root.querySelector("[data-add-video]").focus();
  }
}

/** The guides of a trip. */
export function guides(root, { draft, page, media }) {
  const set = (list) => (list.length ? (draft.words.guides = list) : delete draft.words.guides);
  return new VideoList(root, { draft, page, media, field: "guides", fields: GUIDE, of: () => draft.words.guides ?? [], set });
}

/** The videos of a spec that joins some. */
export function clips(root, { draft, page, media }) {
  const set = (list) => (draft.words.join = { ...draft.words.join, clips: list });
  return new VideoList(root, { draft, page, media, field: "join.clips", fields: CLIP, of: () => draft.words.join?.clips ?? [], set });
}
