// The list of pictures, each with the segment that begins at it: prompt, length, and what is said of it alone.
import { announce, el, keepInStep, mark, show } from "./compose-dom.js";
import { draggable } from "./compose-drag.js";
import { moment, number, seconds } from "./compose-grid.js";
import { unfold } from "./compose-fields.js";
import { begins, isLoop, isTimeline, move, remove } from "./compose-order.js";
import { SEGMENT_WORDS, SegmentWords } from "./compose-segment.js";

const KNOWN = ["image", "at", "hold", ...SEGMENT_WORDS];

export class Stops {
  #own = new WeakMap();

  constructor(list, draft, page) {
    Object.assign(this, { list, draft, page });
    draggable(list, {
      from: (target, event) => gripOf(target, event),
      start: (item) => item.classList.add("moving"),
      move: (item, _dx, dy, event) => this.#drag(item, dy, event),
      end: (item, done) => this.#drop(item, done),
    });
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  show() {
    keepInStep(this.list, this.draft.stops, {
      key: (each) => each.key,
      make: (each) => this.#make(each),
      update: (item, each, index) => this.#update(item, each, index),
    });
  }

  /** Where among the pictures something that is dropped at a point goes. */
  placeAt({ clientY, target }) {
    if (!target?.closest?.("#stops")) return this.draft.stops.length;
    const items = [...this.list.children];
    const found = items.findIndex((item) => clientY < middle(item));
    return found < 0 ? items.length : found;
  }

  #index(element) {
    const key = element.closest("[data-key]").dataset.key;
    return this.draft.stops.findIndex((each) => each.key === key);
  }

  #make(each) {
    const id = each.key;
    const act = (name, label, sign, how) =>
      el("button", { type: "button", class: "icon plain", "data-do": name, "aria-label": label, title: label, onclick: (event) => how(this.#index(event.target)) }, sign);
    const field = (name, label, properties = {}, tag = "input") =>
      el("div", { class: "field", data: { of: name } }, el("label", { for: `${id}-${name}` }, label), el(tag, { id: `${id}-${name}`, data: { words: name }, autocomplete: "off", ...properties, oninput: (event) => this.#typed(event) }));
    const own = this.#ownWords(id);
    own.more.append(field("hold", "Stand still for frames", { inputmode: "numeric", placeholder: "none" }));
    const item = el(
      "li",
      { class: "stop" },
      el(
        "div",
        { class: "shot" },
        el("button", { type: "button", class: "grip", "data-grip": "", "aria-describedby": "grip-hint" }, el("span", { "aria-hidden": "true" }, "⠿")),
        el("div", { class: "picture" }, el("img", { alt: "", draggable: "false", hidden: true }), el("span", { class: "number" }), el("progress", { max: "1", hidden: true })),
        el("div", { class: "tools" }, act("earlier", "Earlier", "↑", (index) => this.#step(index, -1)), act("later", "Later", "↓", (index) => this.#step(index, 1)), act("remove", "Remove", "×", (index) => this.#remove(index))),
      ),
      el(
        "div",
        { class: "about" },
        el("div", { class: "bar" }, el("strong", { class: "name" }), el("span", { class: "soft small size" }), el("span", { class: "small state-line" }), el("button", { type: "button", class: "again", hidden: true, onclick: (event) => this.page.again(this.#index(event.target)) })),
        el("div", { class: "fields stand" }, field("at", "At frame or time", { placeholder: "52 or 3.2s" })),
        el("div", { class: "leg" }, field("prompt", "Prompt", { rows: 2 }, "textarea"), field("frames", "Frames", { inputmode: "numeric" })),
        own.root,
        el("p", { class: "soft small also" }),
      ),
    );
    this.#own.set(item, own);
    return item;
  }

  #ownWords(key) {
    const { draft, page } = this;
    const index = () => draft.stops.findIndex((each) => each.key === key);
    const words = () => draft.stops[index()]?.words ?? {};
    const scope = {
      words,
      set: (path, value) => draft.setAt(index(), path, value),
      change: (what, how) => draft.change(`${key}.${what}`, () => how(words())),
      resolved: () => page.resolvedOf(index()),
    };
    return new SegmentWords(key, scope, page);
  }

  #update(item, each, index) {
    const { draft, page } = this;
    const last = draft.stops.length - 1;
    const begun = begins(draft, index);
    const part = (selector) => item.querySelector(selector);
    part(".number").textContent = index + 1;
    part(".name").textContent = each.words.image ?? "";
    part(".grip").setAttribute("aria-label", `Picture ${index + 1} of ${last + 1}, ${each.words.image}: move with the arrow keys`);
    mark(part('[data-do="earlier"]'), "disabled", index === 0);
    mark(part('[data-do="later"]'), "disabled", index === last);
    this.#picture(item, each.picture);
    for (const control of item.querySelectorAll("[data-words]")) {
      show(control, each.words[control.dataset.words]);
      mark(control, "aria-invalid", page.wrong === `keyframes[${index}].${control.dataset.words}`);
    }
    part(".leg").hidden = !begun;
    part(".stand").hidden = !isTimeline(draft) || (index === 0 && each.words.at === undefined);
    part('[data-of="frames"]').hidden = isTimeline(draft) || Array.isArray(draft.words.segment_frames);
    const within = `keyframes[${index}].`;
    this.#own.get(item).show({ wrong: page.wrong.startsWith(within) ? page.wrong.slice(within.length) : "", begun });
    if (each.words.hold !== undefined) unfold(part('[data-words="hold"]'));
    this.#say(item, index, begun);
    const more = Object.keys(each.words).filter((name) => !KNOWN.includes(name));
    part(".also").textContent = more.length ? `Also in this spec, kept as it is: ${more.join(", ")}` : "";
    item.querySelector('[data-words="prompt"]').placeholder = draft.words.prompt ? `as for all: ${draft.words.prompt}` : "What happens on the way to the next picture";
    item.querySelector('[data-words="frames"]').placeholder = page.lengthOf(index) ?? "";
  }

  #say(item, index, begun) {
    const { draft, page } = this;
    const planned = page.planned?.keyframes[index];
    const alone = draft.stops.length === 1 && !isLoop(draft);
    const next = index + 1 < draft.stops.length ? `to picture ${index + 2}` : alone ? "on" : "back to picture 1";
    const label = item.querySelector(`label[for="${draft.stops[index].key}-prompt"]`);
    const frames = page.lengthOf(index);
    const length = frames ? `, ${frames} frames, ${seconds(frames, page.fps)}` : "";
    if (begun) label.textContent = `Prompt from here ${next}${length}`;
    const stand = item.querySelector('[data-of="at"] label');
    const off = planned && page.moved(index) ? `, planned at ${planned.at}` : "";
    stand.textContent = `At frame or time${off}`;
  }

  #picture(item, picture) {
    const image = item.querySelector("img");
    const source = picture?.thumbnail ?? picture?.preview ?? "";
    image.hidden = !source;
    if (source && image.getAttribute("src") !== source) image.src = source;
    item.querySelector(".picture").classList.toggle("missing", picture?.state === "missing");
    item.querySelector(".size").textContent = picture?.width ? `${picture.width} × ${picture.height}` : "";
    const bar = item.querySelector("progress");
    bar.hidden = !["waiting", "sending"].includes(picture?.state);
    if (!bar.hidden) {
      bar.value = picture.progress ?? 0;
      bar.setAttribute("aria-label", `Sending ${picture.name}`);
    }
    const line = item.querySelector(".state-line");
    const words = { waiting: "waits", sending: "is sent", failed: picture?.error, missing: "is not here: drop it anywhere on the page" };
    line.textContent = words[picture?.state] ?? (picture?.findings ?? []).map((each) => each.message).join("; ");
    line.classList.toggle("wrong", ["failed", "missing"].includes(picture?.state));
    const again = item.querySelector(".again");
    again.hidden = !["failed", "missing"].includes(picture?.state);
    again.textContent = picture?.state === "failed" ? "Send again" : "Choose";
  }

  #typed({ target }) {
    const name = target.dataset.words;
    const text = target.value;
    const value = name === "at" ? moment(text) : ["prompt", "negative_prompt"].includes(name) ? text : number(text);
    this.draft.setAt(this.#index(target), name, value);
  }

  #step(index, by) {
    const { key } = this.draft.stops[index];
    move(this.draft, index, index + by);
    this.#afterMove(key, by < 0 ? '[data-do="earlier"]' : '[data-do="later"]');
  }

  #afterMove(key, wanted) {
    const item = this.list.querySelector(`[data-key="${key}"]`);
    const button = item.querySelector(wanted);
    (button.disabled ? item.querySelector(".grip") : button).focus();
    item.scrollIntoView({ block: "nearest" });
    announce(`${item.querySelector(".name").textContent} is now picture ${this.#index(item) + 1}`);
  }

  #remove(index) {
    const { words } = this.draft.stops[index];
    remove(this.draft, index, this.page.fps);
    const next = this.list.children[Math.min(index, this.draft.stops.length - 1)];
    (next?.querySelector(".grip") ?? document.getElementById("choose")).focus();
    announce(`${words.image} removed; undo brings it back`);
  }

  #key(event) {
    if (!event.target.matches("[data-grip]")) return;
    const index = this.#index(event.target);
    const { key } = this.draft.stops[index];
    const to = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: this.draft.stops.length - 1 }[event.key];
    if (event.key === "Delete") this.#remove(index);
    else if (to === undefined) return;
    else if (to >= 0 && to < this.draft.stops.length) {
      move(this.draft, index, to);
      this.#afterMove(key, ".grip");
    }
    event.preventDefault();
  }

  #drag(item, dy, event) {
    item.style.setProperty("--dy", `${dy}px`);
    const others = [...this.list.children].filter((other) => other !== item);
    for (const other of others) other.classList.remove("before", "after");
    const target = others.find((other) => event.clientY < middle(other));
    if (target) target.classList.add("before");
    else others.at(-1)?.classList.add("after");
    const edge = 60;
    if (event.clientY < edge) scrollBy(0, -12);
    else if (event.clientY > innerHeight - edge) scrollBy(0, 12);
  }

  #drop(item, done) {
    const others = [...this.list.children].filter((other) => other !== item);
    const at = others.findIndex((other) => other.classList.contains("before"));
    for (const each of this.list.children) each.classList.remove("before", "after", "moving");
    item.style.removeProperty("--dy");
    if (!done) return;
    move(this.draft, this.#index(item), at < 0 ? others.length : at);
    announce(`${item.querySelector(".name").textContent} is now picture ${this.#index(item) + 1}`);
  }
}

/** What a press would drag: by mouse the whole picture, by finger the handle only, so that the page can be scrolled. */
function gripOf(target, event) {
  const handle = event.pointerType === "mouse" ? ".grip, .picture" : ".grip";
  return target.closest(handle)?.closest(".stop") ?? null;
}

function middle(item) {
  const box = item.getBoundingClientRect();
  return box.top + box.height / 2;
}

