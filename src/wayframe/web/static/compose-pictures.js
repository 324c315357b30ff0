// Files that come in: pictures are sent and become keyframes, specs and videos of ours are opened.
import { announce, toast } from "./compose-dom.js";
import { stop } from "./compose-draft.js";
import { freeName, insert } from "./compose-order.js";
import { upload } from "./compose-api.js";

const AT_ONCE = 2;
const SPEC = /\.(ya?ml|json|toml)$/i;
const VIDEO = /\.(mp4|m4v|mov)$/i;
const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** A picture that the spec names and that is not here. `digest` is its sha256 where that is known. */
export function missing(name, digest = "") {
  return { state: "missing", name, digest };
}

/** A picture that the server has. */
export function present(found, name = found.name) {
  return { state: "here", name, id: found.id, thumbnail: found.thumbnail, width: found.width, height: found.height, findings: found.findings };
}

/** Sort files into pictures, specs and videos, in the order that their names have. */
export function sorted(files) {
  const all = [...files].sort((a, b) => byName.compare(a.name, b.name));
  return {
    specs: all.filter((file) => SPEC.test(file.name)),
    videos: all.filter((file) => VIDEO.test(file.name) || file.type.startsWith("video/")),
    pictures: all.filter((file) => !SPEC.test(file.name) && !VIDEO.test(file.name) && !file.type.startsWith("video/")),
  };
}

export class Pictures {
  #draft;
  #waiting = [];
  #busy = 0;

  constructor(draft) {
    this.#draft = draft;
  }

  /** Whether a picture is still on its way. */
  get pending() {
    return this.#draft.stops.some(({ picture }) => ["waiting", "sending"].includes(picture?.state));
  }

  /** Pictures become keyframes at `index`; those that the spec names already take their places. */
  take(files, index, grid) {
    const fresh = [];
    for (const file of files) {
      const wanted = this.#draft.stops.filter(({ words, picture }) => isFor(file, words, picture));
      const picture = { state: "waiting", name: file.name, file, preview: URL.createObjectURL(file), progress: 0 };
      if (wanted.length) for (const each of wanted) this.#fill(each, picture);
      else fresh.push(picture);
      this.#waiting.push(picture);
    }
    if (fresh.length) this.#add(fresh, index, grid);
    else this.#draft.touch();
    announce(`${files.length} ${files.length === 1 ? "picture" : "pictures"} added`);
    this.#go();
  }

  /** Another picture for one keyframe. */
  replace(index, file) {
    const picture = { state: "waiting", name: file.name, file, preview: URL.createObjectURL(file), progress: 0 };
    this.#draft.change("", (draft) => {
      draft.stops[index].picture = picture;
      draft.stops[index].words.image = freeName(draft, file.name);
    });
    this.#waiting.push(picture);
    this.#go();
  }

  /** Send a picture once more. */
  again(picture) {
    Object.assign(picture, { state: "waiting", error: "", progress: 0 });
    this.#waiting.push(picture);
    this.#go();
  }

  #add(fresh, index, grid) {
    const named = [];
    for (const picture of fresh) {
      const image = freeName({ stops: [...this.#draft.stops, ...named] }, picture.name);
      named.push(stop({ image }, picture));
    }
    insert(this.#draft, index, named, grid);
  }

  #fill(each, picture) {
    picture.digest = each.picture?.digest ?? "";
    each.picture = picture;
  }

  #go() {
    while (this.#busy < AT_ONCE && this.#waiting.length) this.#send(this.#waiting.shift());
  }

  async #send(picture) {
    this.#busy += 1;
    picture.state = "sending";
    try {
      const found = await upload(picture.file, {
        progress: (share) => {
          picture.progress = share;
          this.#draft.dispatchEvent(new Event("progress"));
        },
      });
      this.#arrived(picture, found);
    } catch (refusal) {
      Object.assign(picture, { state: "failed", error: [refusal.message, refusal.fix].filter(Boolean).join("; ") });
      toast(`${picture.name}: ${picture.error}`, { wrong: true });
    }
    this.#busy -= 1;
    this.#draft.touch();
    this.#go();
  }

  #arrived(picture, found) {
    if (picture.digest && picture.digest !== found.id) {
      toast(`${picture.name} is not the same picture as the one of the video`, { wrong: true });
    }
    Object.assign(picture, present(found, picture.name), { progress: 1, file: null });
    setTimeout(() => URL.revokeObjectURL(picture.preview), 10_000); // the thumbnail has taken its place by then
    const elsewhere = this.#draft.stops.filter((each) => each.picture?.state === "missing" && each.picture.digest === found.id);
    if (elsewhere.length) this.#takesThePlaceOf(elsewhere, picture);
  }

  /** A picture that was added anew turns out, by its bytes, to be one that is missing. */
  #takesThePlaceOf(elsewhere, picture) {
    for (const each of elsewhere) each.picture = picture;
    const added = this.#draft.stops.findIndex((each) => each.picture === picture && !elsewhere.includes(each));
    if (added >= 0) this.#draft.stops.splice(added, 1);
  }
}

function isFor(file, words, picture) {
  const name = (words.image ?? "").replaceAll("\\", "/").split("/").at(-1);
  return picture?.state === "missing" && name.toLowerCase() === file.name.toLowerCase();
}
