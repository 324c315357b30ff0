// Which pictures, in which order, and where they stand: changes of the draft that touch more than one field.
import { frameOf, snapped } from "./compose-grid.js";

const USUAL_GAP = 60; // frames between two pictures when nothing is known
const OF_A_PICTURE = ["image", "at", "hold"];

export const isTimeline = (draft) => draft.words.mode === "timeline";

/** Whether the trip goes back to its first picture. */
export const isLoop = (draft) => draft.words.loop !== undefined && draft.words.loop !== false;

/** Whether a segment begins at a keyframe: then its prompt, seed and so on have something to speak of. */
export function begins(draft, index) {
  if (index < draft.stops.length - 1 || isLoop(draft)) return true;
  const { trail, lead, continue_from: from } = draft.words;
  return draft.stops.length === 1 && !trail && !lead && !from && !draft.stops[0].words.hold;
}

/** The spec as it is sent: words about a segment that does not begin stay with their picture and out of it. */
export function sendable(draft) {
  const spec = draft.spec();
  if (spec.keyframes) spec.keyframes = spec.keyframes.map((words, index) => (begins(draft, index) ? words : ofThePicture(words)));
  return spec;
}

function ofThePicture(words) {
  return Object.fromEntries(Object.entries(words).filter(([name]) => OF_A_PICTURE.includes(name)));
}

/** The frames of all keyframes as the spec asks for them; null where it does not say. */
export function asked(draft, fps) {
  return draft.stops.map((each, index) => frameOf(each.words.at, fps) ?? (index === 0 ? 0 : null));
}

/** A name for a picture that no other picture has. */
export function freeName(draft, name) {
  const taken = new Set(draft.stops.map((each) => each.words.image));
  if (!taken.has(name)) return name;
  const dot = name.lastIndexOf(".");
  const [stem, suffix] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  let number = 2;
  while (taken.has(`${stem}-${number}${suffix}`)) number += 1;
  return `${stem}-${number}${suffix}`;
}

/** Put stops in at `index`; on a timeline they get places of their own. */
export function insert(draft, index, stops, grid) {
  draft.change("", () => {
    draft.stops.splice(index, 0, ...stops);
    if (isTimeline(draft)) stops.forEach((_, offset) => placeNew(draft, index + offset, grid));
  });
}

function placeNew(draft, index, { fps, step, overlap }) {
  const places = asked(draft, fps);
  if (index === 0) {
    delete draft.stops[0].words.at;
    const next = draft.stops[1];
    if (next && !next.words.at) pushBehind(draft, 1, gapOf(places, USUAL_GAP));
    return;
  }
  const before = places[index - 1] ?? (index - 1) * USUAL_GAP;
  const after = places.slice(index + 1).find((at) => at !== null && at > before);
  const at = after === undefined ? before + gapOf(places, USUAL_GAP) : Math.round((before + after) / 2);
  draft.stops[index].words.at = snapped(at, { before, shared: index === 1 ? 1 : overlap, step });
}

/** Move everything from `index` on by so many frames. */
function pushBehind(draft, index, frames) {
  for (const each of draft.stops.slice(index)) {
    if (each.words.at === undefined || Number.isInteger(each.words.at)) each.words.at = (each.words.at ?? 0) + frames;
  }
}

function gapOf(places, fallback) {
  const known = places.filter((at) => at !== null);
  const gap = known.length > 1 ? known.at(-1) - known.at(-2) : fallback;
  return gap > 0 ? gap : fallback;
}

/** Move a keyframe to another place in the order; on a timeline the places stay, and the pictures change them. */
export function move(draft, from, to) {
  if (from === to || to < 0 || to >= draft.stops.length) return;
  draft.change("", () => {
    const places = draft.stops.map((each) => each.words.at);
    const [moved] = draft.stops.splice(from, 1);
    draft.stops.splice(to, 0, moved);
    draft.stops.forEach((each, index) => {
      if (places[index] === undefined) delete each.words.at;
      else each.words.at = places[index];
    });
  });
}

/** Whether something leads to the first picture, so that it stands somewhere behind the start. */
export const isLed = ({ words }) => words.lead !== undefined || words.continue_from !== undefined;

/** Set what leads to the first picture, or take it out; on a timeline all pictures make room for it, or go back. */
export function setLeading(draft, name, value, { fps, step }) {
  draft.change("", () => {
    const before = isLed(draft);
    if (value === undefined) delete draft.words[name];
    else draft.words[name] = value;
    if (isTimeline(draft) && isLed(draft) !== before) shift(draft, before ? -(frameOf(draft.stops[0]?.words.at, fps) ?? 0) : Math.ceil(USUAL_GAP / step) * step, fps);
  });
}

function shift(draft, frames, fps) {
  asked(draft, fps).forEach((at, index) => {
    if (at !== null) draft.stops[index].words.at = at + frames;
  });
  const loop = frameOf(draft.words.loop, fps);
  if (loop !== null) draft.words.loop = loop + frames;
  if (draft.stops.length && !isLed(draft)) delete draft.stops[0].words.at;
}

/** Take a keyframe out. */
export function remove(draft, index, fps) {
  draft.change("", () => {
    draft.stops.splice(index, 1);
    if (index > 0 || !isTimeline(draft) || isLed(draft)) return;
    const first = frameOf(draft.stops[0]?.words.at, fps) ?? 0;
    for (const each of draft.stops) {
      const at = frameOf(each.words.at, fps);
      if (at !== null) each.words.at = at - first;
    }
    if (draft.stops.length) delete draft.stops[0].words.at;
  });
}

/** Have pictures stand where they stand now, each at a frame of its own. */
export function toTimeline(draft, planned, { fps, step, overlap }) {
  draft.change("", () => {
    draft.words.mode = "timeline";
    const usual = Number.isInteger(draft.words.segment_frames) ? draft.words.segment_frames - 1 : USUAL_GAP;
    draft.stops.forEach((each, index) => {
      delete each.words.frames;
      if (index === 0) {
        if (isLed(draft)) each.words.at = planned?.keyframes[0]?.at ?? usual;
        return;
      }
      const known = planned?.keyframes[index]?.at;
      const before = frameOf(draft.stops[index - 1].words.at, fps) ?? 0;
      each.words.at = known ?? snapped(before + usual, { before, shared: index === 1 ? 1 : overlap, step });
    });
    delete draft.words.segment_frames;
    if (draft.words.lead) delete draft.words.lead.frames;
    if (draft.words.loop === true) draft.words.loop = planned ? planned.frames - 1 : loopEnd(draft, fps, usual);
  });
}

function loopEnd(draft, fps, usual) {
  return (frameOf(draft.stops.at(-1)?.words.at, fps) ?? 0) + usual;
}

/** Have lengths in the place of positions: one for all where they are the same. */
export function toBatch(draft, planned) {
  draft.change("", () => {
    draft.words.mode = "batch";
    for (const each of draft.stops) delete each.words.at;
    if (isLoop(draft)) draft.words.loop = true;
    const lengths = planned?.segments.filter((each) => !each.still).map((each) => each.frames) ?? [];
    if (!lengths.length) return;
    if (lengths.every((frames) => frames === lengths[0])) draft.words.segment_frames = lengths[0];
    else if (!draft.words.lead && !draft.words.trail) draft.words.segment_frames = lengths;
  });
}
