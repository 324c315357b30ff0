// The timeline: keyframes at their frames, to be dragged or moved with the arrow keys, on the grid of the model.
import { announce, el, keepInStep, mark, svg } from "./compose-dom.js";
import { draggable } from "./compose-drag.js";
import { frameOf, seconds, snapped } from "./compose-grid.js";
import { isTimeline } from "./compose-order.js";

const ROOM = 1.12; // the track is longer than the trip, so that its end can be dragged on
const SHORTEST = 80;
const LONGEST = 10_000_000; // frames; more than a spec may have
const TICKS = 8;
const EVERY = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];
const FAR = 4; // steps of the grid that Shift and an arrow go

export class Timeline {
  #scale = 0; // frames over the whole width; held while something is dragged
  #held = null;

  constructor(root, draft, page) {
    Object.assign(this, { root, draft, page });
    this.track = root.querySelector("[data-track]");
    this.handles = root.querySelector("[data-handles]");
    this.along = root.querySelector("[data-along]");
    draggable(this.handles, {
      from: (target) => this.#grab(target),
      start: (handle) => handle.classList.add("moving"),
      move: (handle, dx) => this.#drag(dx),
      end: (handle, done) => this.#release(handle, done),
    });
    this.handles.addEventListener("keydown", (event) => this.#key(event));
  }

  show() {
    this.root.hidden = !isTimeline(this.draft) || this.draft.stops.length === 0;
    if (this.root.hidden) return;
    const places = this.#places();
    const end = Math.max(...places, this.page.planned?.frames ?? 0, frameOf(this.draft.words.loop, this.page.fps) ?? 0);
    if (!this.#held) this.#scale = Math.min(Math.max(end * ROOM, SHORTEST), LONGEST);
    keepInStep(this.handles, this.draft.stops, {
      key: (each) => each.key,
      make: () => this.#make(),
      update: (handle, each, index) => this.#update(handle, each, index, places),
    });
    this.#draw(places);
  }

  /** Where the pictures stand, in frames; one without a place stands behind the one before it. */
  #places() {
    const found = [];
    for (const [index, { words }] of this.draft.stops.entries()) {
      found.push(frameOf(words.at, this.page.fps) ?? (index === 0 ? 0 : found[index - 1] + 1));
    }
    return found;
  }

  #make() {
    return el("button", { type: "button", class: "handle", role: "slider", "aria-describedby": "timeline-hint" }, el("img", { alt: "", draggable: "false", hidden: true }), el("span", { class: "where" }));
  }

  #update(handle, each, index, places) {
    const source = each.picture?.thumbnail ?? each.picture?.preview ?? "";
    const image = handle.querySelector("img");
    image.hidden = !source;
    if (source && image.getAttribute("src") !== source) image.src = source;
    handle.style.left = `${(places[index] / this.#scale) * 100}%`;
    handle.querySelector(".where").textContent = places[index];
    const fixed = !this.#isFree(index);
    const values = { "aria-valuenow": places[index], "aria-valuemin": places[index - 1] ?? 0, "aria-valuemax": places[index + 1] ?? Math.round(this.#scale) };
    for (const [name, value] of Object.entries(values)) handle.setAttribute(name, value);
    handle.setAttribute("aria-valuetext", `frame ${places[index]}, ${seconds(places[index], this.page.fps)}`);
    handle.setAttribute("aria-label", `Picture ${index + 1}, ${each.words.image}`);
    mark(handle, "aria-disabled", fixed);
  }

  /** The first picture stands at the start, unless something leads to it. */
  #isFree(index) {
    return index > 0 || Boolean(this.draft.words.lead ?? this.draft.words.continue_from);
  }

  #draw(places) {
    const x = (frame) => `${(frame / this.#scale) * 100}%`;
    const parts = [];
    const back = frameOf(this.draft.words.loop, this.page.fps);
    const ends = back === null ? places : [...places, back];
    ends.slice(0, -1).forEach((at, index) => {
      const frames = ends[index + 1] - at;
      parts.push(svg("rect", { class: "span", x: x(at), y: 4, width: x(Math.max(frames, 0)), height: 22, rx: 4 }));
      parts.push(text(`${this.page.lengthOf(index) ?? frames}`, { class: "length", x: x(at + frames / 2), y: 15 }));
    });
    for (const planned of this.page.planned?.keyframes ?? []) parts.push(this.#planned(planned, places, x));
    parts.push(svg("line", { class: "axis", x1: 0, x2: "100%", y1: 38, y2: 38 }));
    for (const { frame, words } of this.#ticks()) {
      parts.push(svg("line", { class: "axis", x1: x(frame), x2: x(frame), y1: 38, y2: 43 }));
      parts.push(text(words, { x: x(frame), y: 53 }));
    }
    this.track.replaceChildren(...parts);
    this.track.setAttribute("aria-label", `${this.draft.stops.length} pictures on ${places.at(-1)} frames`);
  }

  #planned({ index, at }, places, x) {
    const off = places[index] !== undefined && places[index] !== at;
    const mark = svg("rect", { class: `planned${off ? " off" : ""}`, x: x(at), y: 28, width: 7, height: 7, transform: "translate(-3.5 0)" });
    const title = svg("title");
    title.textContent = off ? `picture ${index + 1} is planned at frame ${at}, not ${places[index]}` : `planned at frame ${at}`;
    mark.append(title);
    return mark;
  }

  #ticks() {
    const length = this.#scale / this.page.fps;
    if (!Number.isFinite(length)) return [];
    const every = EVERY.find((each) => length / each <= TICKS) ?? Math.ceil(length / TICKS);
    return Array.from({ length: Math.floor(length / every) + 1 }, (_, index) => ({ frame: index * every * this.page.fps, words: `${index * every} s` }));
  }

  #grab(target) {
    const handle = target.closest(".handle");
    if (!handle) return null;
    handle.focus();
    const index = [...this.handles.children].indexOf(handle);
    if (!this.#isFree(index)) return null;
    this.#held = { index, from: this.#places()[index], width: this.track.getBoundingClientRect().width, key: Date.now() };
    return handle;
  }

  #drag(dx) {
    const { index, from, width } = this.#held;
    this.#put(index, from + (dx / width) * this.#scale, this.#held.key);
  }

  #release(handle, done) {
    handle.classList.remove("moving");
    const { index, from } = this.#held;
    if (!done) this.#put(index, from, this.#held.key);
    this.#held = null;
    this.show();
    this.#say(index);
  }

  #key(event) {
    const handle = event.target.closest(".handle");
    const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!handle || !direction) return;
    event.preventDefault();
    const index = [...this.handles.children].indexOf(handle);
    if (!this.#isFree(index)) return;
    const by = direction * this.page.step * (event.shiftKey ? FAR : 1);
    this.#put(index, this.#places()[index] + by, "key");
    this.#say(index);
  }

  #say(index) {
    const at = this.#places()[index];
    announce(`picture ${index + 1} at frame ${at}, ${seconds(at, this.page.fps)}`);
  }

  /** Put a picture near a frame: on the grid, behind the one before it and, unless they go along, before the next. */
  #put(index, frame, key) {
    const places = this.#places();
    const before = index === 0 ? 0 : places[index - 1] + held(this.draft.stops[index - 1]);
    const shared = index === 0 ? 1 : this.#shared(index);
    if (!Number.isFinite(frame)) return;
    let at = snapped(frame, { before, shared, step: this.page.step });
    const next = places[index + 1];
    const go = this.along.checked;
    while (!go && next !== undefined && at >= next - held(this.draft.stops[index]) && at > before) at -= this.page.step;
    if (at <= before || at === places[index]) return;
    this.draft.change(`at ${index} ${key}`, ({ stops, words }) => {
      const by = at - places[index];
      stops[index].words.at = at;
      if (!go) return;
      for (let later = index + 1; later < stops.length; later += 1) stops[later].words.at = places[later] + by;
      if (Number.isInteger(words.loop)) words.loop += by;
    });
  }

  /** Frames that the segment to a picture shares with the one before it. */
  #shared(index) {
    const { overlap } = this.page;
    if (index === 1 && !this.draft.words.lead && !this.draft.words.continue_from) return 1;
    if (this.draft.stops[index - 1].words.hold) return 1;
    return Array.isArray(overlap) ? (overlap[index - 2] ?? 1) : overlap;
  }
}

const held = ({ words }) => (Number.isInteger(words.hold) ? words.hold - 1 : 0);

function text(words, attributes) {
  const element = svg("text", attributes);
  element.textContent = words;
  return element;
}
