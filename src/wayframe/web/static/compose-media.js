// Videos and sounds that a spec names: chosen, sent, and shown where they stand.
import { announce, el, mark, toast } from "./compose-dom.js";
import { look } from "./compose-draft.js";
import { uploadMedia } from "./compose-api.js";
import { unfold } from "./compose-fields.js";

const VIDEO = "video/*,.mkv,.mov,.avi";
const SOUND = "audio/*,.flac,.ogg,.wav,.mp3,.m4a";
const base = (path) => path.replaceAll("\\", "/").split("/").at(-1);

/** The names of all videos and sounds in a spec. */
export function mediaNames({ continue_from: from, join, guides, after }) {
  const clips = (join?.clips ?? []).map((clip) => clip.video ?? clip);
  return [from, ...clips, ...(guides ?? []).map(({ video }) => video), after?.audio?.file].filter((name) => typeof name === "string" && name);
}

export class Media {
  #input;
  #chosen = null;

  constructor(input, draft) {
    this.draft = draft;
    this.#input = input;
    input.addEventListener("change", () => {
      const [file] = input.files;
      input.value = "";
      if (file) this.#chosen(file);
    });
  }

  /** Names of the spec that are not here. */
  get lacking() {
    return mediaNames(this.draft.words).filter((name) => !["here", "sending"].includes(this.draft.files[name]?.state));
  }

  /** Whether one is still on its way. */
  get pending() {
    return mediaNames(this.draft.words).some((name) => this.draft.files[name]?.state === "sending");
  }

  /** Ids by name, as a draft is sent. */
  ids() {
    const { draft } = this;
    return Object.fromEntries(mediaNames(draft.words).flatMap((name) => (draft.files[name]?.id ? [[name, draft.files[name].id]] : [])));
  }

  /** Take files that the spec waits for, by their names; gives those that it does not. */
  take(files) {
    return files.filter((file) => {
      const wanted = this.lacking.find((name) => base(name).toLowerCase() === file.name.toLowerCase());
      if (wanted) this.#send(wanted, file);
      return !wanted;
    });
  }

  /** Have a file chosen; `named(name)` puts its name into the spec. */
  choose(kind, named) {
    this.#chosen = (file) => this.put(file, named);
    this.#input.accept = kind === "sound" ? SOUND : VIDEO;
    this.#input.click();
  }

  /** A file under a name that no other file of the spec has. */
  put(file, named) {
    const dot = file.name.lastIndexOf(".");
    const [stem, suffix] = dot > 0 ? [file.name.slice(0, dot), file.name.slice(dot)] : [file.name, ""];
    let name = file.name;
    for (let number = 2; mediaNames(this.draft.words).includes(name); number += 1) name = `${stem}-${number}${suffix}`;
    this.draft.files[name] = { state: "sending", name: file.name, progress: 0 };
    named(name);
    this.#send(name, file);
  }

  async #send(name, file) {
    const { draft } = this;
    const state = { state: "sending", name: file.name, progress: 0 };
    draft.files[name] = state;
    draft.touch();
    announce(`${file.name} is sent`);
    try {
      const found = await uploadMedia(file, {
        progress: (share) => {
          state.progress = share;
          draft.dispatchEvent(new Event("progress"));
        },
      });
      draft.files[name] = { ...found, state: "here" };
    } catch (refusal) {
      draft.files[name] = { state: "failed", name: file.name, error: [refusal.message, refusal.fix].filter(Boolean).join("; ") };
      toast(draft.files[name].error, { wrong: true });
    }
    draft.touch();
  }
}

/** The place of one video or sound in the form: its name, what is known of it, and buttons. */
export class Slot {
  constructor(root, { media, label, kind = "video", nameOf, put }) {
    Object.assign(this, { root, media, nameOf });
    this.image = el("img", { alt: "", hidden: true });
    this.name = el("strong", {});
    this.facts = el("span", { class: "soft small" });
    this.choose = el("button", { type: "button", onclick: () => media.choose(kind, put) });
    this.gone = el("button", { type: "button", class: "icon plain", "aria-label": `Remove: ${label}`, title: "Remove", onclick: () => this.#remove(put) }, "×");
    root.classList.add("slot");
    root.replaceChildren(this.image, el("div", {}, this.name, this.facts), this.choose, this.gone);
    this.label = label;
  }

  #remove(put) {
    put(undefined);
    this.choose.focus();
  }

  show() {
    const name = this.nameOf();
    const file = name ? this.media.draft.files[name] : null;
    this.image.hidden = !file?.thumbnail;
    if (file?.thumbnail) this.image.src = file.thumbnail;
    this.name.textContent = name ?? "";
    this.facts.textContent = name ? told(file) : "";
    this.facts.classList.toggle("wrong", Boolean(name) && !["here", "sending"].includes(file?.state));
    this.choose.textContent = name ? "Change" : this.label;
    mark(this.choose, "aria-label", name ? `${this.label}: change` : null);
    this.gone.hidden = !name;
    if (name) unfold(this.root);
  }
}

function told(file) {
  if (file?.state === "sending") return `is sent, ${Math.round(file.progress * 100)} %`;
  if (file?.state === "failed") return file.error;
  if (file?.state !== "here") return "is not here: choose it, or drop it on the page";
  return file.kind === "video" ? `${file.frames} frames, ${file.width} × ${file.height}, ${file.fps} fps` : `${file.seconds.toFixed(1)} s of sound`;
}

/** Slots that are in the page from the start, each for one field of the spec: `data-slot` is its path, and `set` puts a name there. */
export function fixedSlots(form, draft, media, set) {
  return [...form.querySelectorAll("[data-slot]")].map((root) => {
    const { slot: path, kind, label } = root.dataset;
    return new Slot(root, { media, label, kind, nameOf: () => look(draft.words, path), put: (name) => set(path, name) });
  });
}
