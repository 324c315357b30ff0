// The draft: a spec as plain data, and the pictures of its keyframes. Everything that is shown follows from it.
//
// Every field that came in stays, whether or not the page has a control for it: a change touches one field and no other.

const MOST_UNDO = 100;
const ONE_CHANGE = 1200; // milliseconds within which typing in one field is one step of undo

let made = 0;

/** A keyframe: the words of the spec about it, and its picture. `key` is its own for as long as the page is open. */
export function stop(words = {}, picture = null) {
  made += 1;
  return { key: `stop-${made}`, words, picture };
}

export class Draft extends EventTarget {
  #past = [];
  #future = [];
  #last = { what: "", when: 0 };
  words = {}; // all of the spec but its keyframes
  stops = [];
  options = {}; // of the engine: no part of the spec
  files = {}; // videos and sounds by the names that the spec has for them: { state, name, id, ... }

  /** The spec as it is written and sent; what joins videos has no keyframes. */
  spec() {
    const keyframes = this.stops.map((each) => each.words);
    return structuredClone(this.words.join && !keyframes.length ? this.words : { ...this.words, keyframes });
  }

  /** Whether there is nothing to make a video of. */
  get isEmpty() {
    return !this.stops.length && !this.words.join;
  }

  /** Make a change: `how` carries it out. Changes of one name that follow each other at once are one step of undo. */
  change(what, how) {
    const before = this.#snapshot();
    how(this);
    const now = performance.now();
    if (!what || what !== this.#last.what || now - this.#last.when > ONE_CHANGE) this.#past.push(before);
    if (this.#past.length > MOST_UNDO) this.#past.shift();
    this.#last = { what, when: now };
    this.#future = [];
    this.#tell();
  }

  /** Set a field of the whole spec, or take it out. */
  set(path, value) {
    this.change(path, () => place(this.words, path.split("."), value));
  }

  /** Set a field of a keyframe, or take it out. */
  setAt(index, path, value) {
    this.change(`${this.stops[index].key}.${path}`, () => place(this.stops[index].words, path.split("."), value));
  }

  /** Set an option of the engine, or take it out. */
  setOption(name, value) {
    this.change(`option ${name}`, () => place(this.options, [name], value));
  }

  /** Another spec in the place of this one. */
  open(spec, pictureOf, { files = {}, options = {} } = {}) {
    this.change("", () => {
      const { keyframes = [], ...words } = spec;
      Object.assign(this, { words, options, files: { ...this.files, ...files } });
      this.stops = keyframes.map((each, index) => stop(each, pictureOf(each, index)));
    });
  }

  /** Pictures come and go by themselves: no step of undo. */
  touch() {
    this.#tell();
  }

  undo() {
    this.#swap(this.#past, this.#future);
  }

  redo() {
    this.#swap(this.#future, this.#past);
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  #swap(from, to) {
    const wanted = from.pop();
    if (!wanted) return;
    to.push(this.#snapshot());
    Object.assign(this, wanted);
    this.#last = { what: "", when: 0 };
    this.#tell();
  }

  #snapshot() {
    return {
      words: structuredClone(this.words),
      options: { ...this.options },
      stops: this.stops.map((each) => ({ ...each, words: structuredClone(each.words) })), // the picture is shared
    };
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

const MEANT = ["lead", "trail", "bridges"]; // blocks that say something even when they are empty

/** Put a value at a path; nothing (undefined, or empty text) takes the field out, and a block that is empty then. */
export function place(words, path, value) {
  const [name, ...more] = path;
  if (more.length) {
    const inner = { ...(words[name] ?? {}) };
    place(inner, more, value);
    if (Object.keys(inner).length || MEANT.includes(name)) words[name] = inner;
    else delete words[name];
  } else if (value === undefined || value === "") delete words[name];
  else words[name] = value;
}

/** A field of a spec by its path. */
export function look(words, path) {
  return path.split(".").reduce((inner, name) => inner?.[name], words);
}
