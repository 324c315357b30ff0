// The page that composes: pictures become a spec, the spec a plan, and the plan a run.
import { draftOfRun, Refusal, readSpec, readVideo, submit, writeSpec } from "./compose-api.js";
import { announce, mark, show as showIn, toast } from "./compose-dom.js";
import { Draft } from "./compose-draft.js";
import { receive } from "./compose-drop.js";
import { Ends } from "./compose-ends.js";
import { Fields, unfold } from "./compose-fields.js";
import { moment, rate } from "./compose-grid.js";
import { clips as clipsOf, guides as guidesOf } from "./compose-guides.js";
import { forget, keep, kept } from "./compose-keep.js";
import { fixedSlots, Media } from "./compose-media.js";
import { Options } from "./compose-options.js";
import { isLoop, isTimeline, sendable, setLeading, toBatch, toTimeline } from "./compose-order.js";
import { Phases } from "./compose-phases.js";
import { missing, Pictures, present, sorted } from "./compose-pictures.js";
import { Planning } from "./compose-plan.js";
import { showRest } from "./compose-rest.js";
import { Stops } from "./compose-stops.js";
import { Timeline } from "./compose-timeline.js";

const byId = (id) => document.getElementById(id);
const FACTS = JSON.parse(byId("compose").dataset.facts);
const USUAL = { fps: 16, overlap: 1, chained: 6 };

const draft = new Draft();
const pictures = new Pictures(draft);
let answer = null; // the last plan, and nothing when it was refused

/** What the parts of the page must know of the plan and the catalogue. */
const page = {
  wrong: "", // the field that the server refused
  get planned() {
    const count = draft.stops.length + (isLoop(draft) ? 1 : 0); // a loop has its first picture twice
    return answer && answer.plan.keyframes.length === count ? answer.plan : null;
  },
  get resolved() {
    const segments = answer?.resolved?.values.segments ?? [];
    return segments.find((each) => !each.hold) ?? null;
  },
  get model() {
    const { model, preset } = draft.words;
    return FACTS.models[model ?? FACTS.presets[preset]?.[0]] ?? null;
  },
  get step() {
    return page.model?.step ?? 1;
  },
  get fps() {
    return rate(draft.words.fps ?? answer?.plan.fps ?? USUAL.fps) || USUAL.fps;
  },
  get overlap() {
    const goesOn = draft.words.chaining === "chained" || draft.words.continue_from;
    return draft.words.overlap ?? (goesOn ? USUAL.chained : USUAL.overlap);
  },
  get grid() {
    return { fps: page.fps, step: page.step, overlap: Number.isInteger(page.overlap) ? page.overlap : USUAL.overlap };
  },
  /** The number of the planned segment that begins at a picture, of the `lead`, or of a trail (`trail-0`); or -1. */
  segmentOf(key) {
    const segments = page.planned?.segments ?? [];
    const from = (each) => (each.ends ? each.ends[0] : each.index);
    const to = (each) => (each.ends ? each.ends[1] : each.index + 1);
    if (key === "lead") return segments.findIndex((each) => from(each) === null && to(each) === 0);
    if (typeof key === "number") return segments.findIndex((each) => !each.still && from(each) === key);
    const trails = segments.filter((each) => !each.still && to(each) === null);
    return segments.indexOf(trails[Number(key.split("-")[1])]);
  },
  /** Frames of the segment that begins at a picture, as planned. */
  lengthOf(index) {
    return page.framesOf(index);
  },
  framesOf(key) {
    return page.planned?.segments[page.segmentOf(key)]?.frames ?? null;
  },
  /** The values that a segment has in the plan. */
  resolvedOf(key) {
    return answer?.resolved?.values.segments[page.segmentOf(key)] ?? page.resolved;
  },
  /** Whether a picture is planned elsewhere than where it was asked for. */
  moved(index) {
    const asked = draft.stops[index].words.at;
    return Number.isInteger(asked) && page.planned?.keyframes[index].at !== asked;
  },
  again(index) {
    const { picture } = draft.stops[index];
    if (picture?.state === "failed") return pictures.again(picture);
    byId("one-file").dataset.index = index;
    return byId("one-file").click();
  },
};

const media = new Media(byId("media-file"), draft);
const fields = new Fields(byId("compose"), draft);
const options = new Options(byId("compose"), draft);
const slots = fixedSlots(byId("compose"), draft, media, (path, name) => (path === "continue_from" ? setLeading(draft, path, name, page) : draft.set(path, name)));
const lists = { clips: clipsOf(byId("clips"), { draft, page, media }), guides: guidesOf(byId("guides"), { draft, page, media }) };
const ends = new Ends(byId("ends"), draft, page);
const stops = new Stops(byId("stops"), draft, page);
const timeline = new Timeline(byId("timeline"), draft, page);
const phases = new Phases(byId("phases"), draft, page);
const planning = new Planning(byId("plan"), { charts: byId("charts"), brief: byId("brief"), draftOf: whatToPlan, planned });

function ids() {
  return draft.stops.map(({ picture }) => picture?.id);
}

function whatToPlan() {
  if (draft.isEmpty) return "";
  const lacking = draft.stops.filter(({ picture }) => picture?.state === "missing").length;
  if (lacking) return `${lacking} of ${draft.stops.length} pictures are not here: drop them, and the plan is made.`;
  if (!ids().every(Boolean)) return pictures.pending ? "The plan is made when all pictures are here." : "A picture could not be sent.";
  const files = media.lacking;
  if (files.length) return `${files.join(", ")} ${files.length === 1 ? "is" : "are"} not here: choose ${files.length === 1 ? "it" : "them"}, and the plan is made.`;
  if (media.pending) return "The plan is made when all videos are here.";
  return { spec: sendable(draft), ...(draft.stops.length ? { keyframes: ids() } : {}), files: media.ids(), options: draft.options };
}

function planned(found, refusal = null) {
  if (found || draft.isEmpty) answer = found;
  page.wrong = refusal?.field ?? "";
  for (const control of document.querySelectorAll("[data-field]")) mark(control, "aria-invalid", page.wrong.replace(/\[[0-9]+\]$/, "") === control.dataset.field);
  mark(byId("run"), "disabled", found === null);
  show();
}

function show() {
  const joins = draft.words.join !== undefined;
  byId("nothing").hidden = !draft.isEmpty;
  byId("bench").hidden = draft.isEmpty;
  byId("clips").hidden = !joins;
  byId("pictures").hidden = joins;
  byId("count").textContent = draft.stops.length === 1 ? "1 picture: the camera moves away from it" : `${draft.stops.length} pictures`;
  for (const radio of document.querySelectorAll("[name=mode]")) radio.checked = (radio.value === "timeline") === isTimeline(draft);
  document.querySelector('[data-for="segment_frames"]').hidden = isTimeline(draft);
  byId("loop").checked = isLoop(draft);
  byId("loop-place").hidden = !(isLoop(draft) && isTimeline(draft));
  showIn(byId("loop-at"), isLoop(draft) ? draft.words.loop : "");
  mark(byId("undo"), "disabled", !draft.canUndo);
  mark(byId("redo"), "disabled", !draft.canRedo);
  byId("dock").hidden = draft.isEmpty;
  mark(byId("new"), "disabled", draft.isEmpty);
  byId("bridges").checked = draft.words.bridges !== undefined;
  byId("bridges-fields").hidden = draft.words.bridges === undefined;
  if (draft.words.bridges) unfold(byId("bridges"));
  byId("sound").hidden = !draft.words.after?.audio;
  for (const part of [options, ends, ...slots]) part.show();
  if (joins) lists.clips.show();
  lists.guides.show();
  fields.show(answer?.resolved?.values);
  offerWhatFits();
  stops.show();
  timeline.show();
  phases.show();
  showRest(byId("rest"), draft.words, fields.known);
}

/** Presets are for some models only. */
function offerWhatFits() {
  const { preset, model } = draft.words;
  for (const option of byId("f-preset").options) option.disabled = Boolean(model && FACTS.presets[option.value] && !FACTS.presets[option.value].includes(model));
  for (const option of byId("f-model").options) option.disabled = Boolean(preset && FACTS.presets[preset] && option.value && !FACTS.presets[preset].includes(option.value));
  byId("preset-hint").textContent = byId("f-preset").selectedOptions[0]?.title ?? "";
}

function changed() {
  if (draft.isEmpty) answer = null;
  mark(byId("run"), "disabled", true);
  show();
  keep(draft);
  planning.soon();
}

draft.addEventListener("change", changed);
draft.addEventListener("progress", () => {
  stops.show();
  for (const slot of slots) slot.show();
});

// Files
async function take(files, place) {
  const { specs, videos, pictures: images } = sorted(media.take(files));
  for (const file of [...specs, ...videos].slice(0, 1)) await opened(file, specs.includes(file) ? fromText : fromVideo);
  if (images.length) pictures.take(images, place ? stops.placeAt(place) : draft.stops.length, page.grid);
}

async function opened(file, read) {
  announce(`opening ${file.name}`);
  try {
    await read(file);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    toast([`${file.name}: ${error.message}`, error.fix].filter(Boolean).join(". "), { wrong: true });
  }
}

async function fromText(file) {
  const form = /\.json$/i.test(file.name) ? "json" : /\.toml$/i.test(file.name) ? "toml" : "yaml";
  open(await readSpec(await file.text(), form), file.name);
}

async function fromVideo(file) {
  toast(`Reading the settings of ${file.name}`);
  open(await readVideo(file), file.name);
}

/** Open what was read: pictures that are here already, by their bytes or by their names, take their places. */
function open({ spec, keyframes, files: known = [], options: said = {}, lost = [] }, name) {
  const before = new Map(draft.stops.filter(({ picture }) => picture?.state === "here").map(({ picture }) => [picture.id, picture]));
  const named = new Map([...before.values()].map((picture) => [picture.name, picture]));
  draft.open(spec, ({ image }, index) => {
    const { digest, upload } = keyframes[index] ?? {};
    if (upload) return before.get(upload) ?? present({ id: upload, thumbnail: `/api/v1/uploads/${upload}/thumbnail.jpg` }, base(image));
    if (digest) return missing(base(image), digest);
    return named.get(base(image)) ?? missing(base(image));
  }, { files: Object.fromEntries(known.filter(({ upload }) => upload).map(({ name: file, upload }) => [file, { ...upload, state: "here" }])), options: said });
  const lacking = draft.stops.filter(({ picture }) => picture.state === "missing").map(({ picture }) => picture.name);
  const rest = lacking.length ? `, without ${lacking.join(", ")}: drop ${lacking.length === 1 ? "it" : "them"} here` : "";
  toast([`${name} is open${rest}`, ...lost.map((each) => `not taken over: ${each}`)].join("; "));
}

const base = (path) => path.replaceAll("\\", "/").split("/").at(-1);

receive(byId("files"), take);
byId("spec-file").addEventListener("change", ({ target }) => {
  const files = [...target.files];
  target.value = "";
  take(files, null);
});
byId("one-file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (file) pictures.replace(Number(target.dataset.index), file);
});
for (const button of document.querySelectorAll("[data-choose]")) button.addEventListener("click", () => byId("files").click());
byId("open").addEventListener("click", () => byId("spec-file").click());

// What is done with the draft
byId("undo").addEventListener("click", () => draft.undo());
byId("redo").addEventListener("click", () => draft.redo());
byId("new").addEventListener("click", () => {
  draft.open({}, () => null);
  forget();
  toast("A new trip; undo brings the last one back");
});
addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.target.matches("input, textarea")) return;
  if (event.key === "z" && !event.shiftKey) draft.undo();
  else if (event.key === "y" || (event.key === "Z" && event.shiftKey)) draft.redo();
  else return;
  event.preventDefault();
});
for (const radio of document.querySelectorAll("[name=mode]")) {
  radio.addEventListener("change", () => (radio.value === "timeline" ? toTimeline(draft, page.planned, page.grid) : toBatch(draft, page.planned)));
}
byId("loop").addEventListener("change", ({ target }) => {
  const end = (page.planned?.frames ?? 1) - 1 + 60;
  draft.set("loop", target.checked ? (isTimeline(draft) ? end : true) : undefined);
});
byId("bridges").addEventListener("change", ({ target }) => draft.set("bridges", target.checked ? {} : undefined));
byId("loop-at").addEventListener("input", ({ target }) => draft.set("loop", moment(target.value) ?? 0));

byId("save").addEventListener("click", async () => {
  try {
    const address = URL.createObjectURL(new Blob([await writeSpec(sendable(draft))], { type: "text/yaml" }));
    const link = Object.assign(document.createElement("a"), { href: address, download: "trip.yaml" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    announce("saved as trip.yaml");
  } catch (refusal) {
    toast(refusal.message, { wrong: true });
  }
});

byId("run").addEventListener("click", async ({ currentTarget: button }) => {
  const wanted = whatToPlan();
  if (typeof wanted === "string") return toast(wanted, { wrong: true });
  button.disabled = true;
  toast("The run is submitted");
  try {
    const run = await submit(wanted, (words) => toast(words));
    forget();
    location.assign(`/runs/${run.id}`);
  } catch (refusal) {
    button.disabled = false;
    toast([refusal.message, refusal.fix].filter(Boolean).join(". "), { wrong: true });
  }
});

// Begin with the run that is named, or with what was kept of this tab
const run = new URLSearchParams(location.search).get("run");
const last = kept();
if (last) draft.open(last.spec, (words, index) => last.pictures[index] ?? missing(base(words.image)), last);
else show();
if (run) {
  history.replaceState(null, "", location.pathname); // a reload keeps what was changed since
  await opened({ name: `run ${run}` }, async () => open(await draftOfRun(run), `run ${run}`));
}
