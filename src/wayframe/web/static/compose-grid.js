// Frames, seconds and the model's grid: lengths of segments are a multiple of `step` plus one.

const TIME = /^([0-9]{1,9}(?:\.[0-9]{1,9})?) ?s$/;

/** Frames per second as a number, of 16, "23.976" or "24000/1001". */
export function rate(fps) {
  const [above, below = "1"] = String(fps).split("/");
  return Number(above) / Number(below);
}

/** The frame that a spec's `at` names, or null. */
export function frameOf(at, fps) {
  if (Number.isInteger(at)) return at;
  const time = typeof at === "string" ? TIME.exec(at) : null;
  return time ? Math.round(Number(time[1]) * fps) : null;
}

/** What somebody typed as a position: a frame, a time as it stands, or undefined for nothing. */
export function moment(text) {
  const said = text.trim();
  if (said === "") return undefined;
  return /^[0-9]+$/.test(said) ? Number(said) : said;
}

/** Frames as a time. */
export function seconds(frames, fps) {
  return `${(frames / fps).toFixed(2)} s`;
}

/** The least and nearest lengths on the grid. */
export function onGrid(frames, { step, least = 1 }) {
  const fewest = Math.ceil((Math.max(least, 1) - 1) / step) * step + 1;
  return Math.max(Math.round((frames - 1) / step) * step + 1, fewest);
}

/**
 * Where the keyframe behind a segment can stand nearest to `at`: the segment begins `shared` frames before the frame
 * behind `before`, so its length is at - before + shared.
 */
export function snapped(at, { before, shared, step }) {
  return onGrid(at - before + shared, { step, least: Math.max(shared, 1) + 1 }) + before - shared;
}

/** Numbers of a field that takes one or a list: "61" or "61, 49"; undefined for nothing, the text for what is none. */
export function numbers(text) {
  const said = text.trim();
  if (said === "") return undefined;
  const parts = said.split(/[\s,;]+/).filter(Boolean);
  if (!parts.every((part) => /^-?[0-9]+(\.[0-9]+)?$/.test(part))) return said;
  return parts.length === 1 && !said.includes(",") ? Number(parts[0]) : parts.map(Number);
}

/** The number in a field: undefined for nothing, the text for what is none (the server says what is wrong with it). */
export function number(text) {
  const said = text.trim();
  if (said === "") return undefined;
  return Number.isFinite(Number(said)) ? Number(said) : said;
}
