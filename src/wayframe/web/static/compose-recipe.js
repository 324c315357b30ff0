// Phases and LoRAs of a spec as one table, whichever way the spec writes them: `phases`, a `phase_config`, or neither.
//
// Reading and changing keep to the form that is there; where the spec says nothing, what the plan resolved is shown, and
// the first change writes `phases`.
import { look } from "./compose-draft.js";

const PARTS = ";";

/** The table: `form`, rows of steps, guidance and expert, and a column for each LoRA with a weight for each phase. */
export function readTable(words, resolved) {
  const form = words.phases ? "phases" : words.phase_config ? "phase_config" : "none";
  const rows = ROWS[form](words, resolved);
  return { form, rows, loras: [...own(words, rows.length), ...inPhases(words, form), ...brought(words, resolved, rows.length)] };
}

const ROWS = {
  phases: ({ phases }) => phases.map(({ steps, guidance, expert }) => ({ steps, guidance, expert })),
  phase_config: ({ phase_config: config }) =>
    config.phases.map((phase, index) => ({
      steps: config.steps_per_phase[index],
      guidance: phase.guidance_scale ?? 1,
      expert: config.model_switch_phase ? (index < config.model_switch_phase ? "high" : "low") : undefined,
    })),
  none: (_, resolved) => (resolved?.phases ?? []).map(({ steps, guidance, expert }) => ({ steps, guidance, expert })),
};

/** LoRAs that the spec names outside of phases. */
function own(words, count) {
  return (words.loras ?? []).map((lora, index) => ({
    file: lora.file,
    target: lora.for,
    weights: spread(lora.multiplier ?? "1.0", count),
    at: { list: "loras", index },
  }));
}

function spread(multiplier, count) {
  const parts = String(multiplier).split(PARTS);
  return Array.from({ length: count }, (_, index) => (parts.length === 1 ? parts[0] : (parts[index] ?? "")));
}

/** LoRAs that stand inside of phases. */
function inPhases(words, form) {
  const [phases, name] = form === "phases" ? [words.phases, "file"] : form === "phase_config" ? [words.phase_config.phases, "url"] : [[], ""];
  const files = [...new Set(phases.flatMap((phase) => (phase.loras ?? []).map((lora) => lora[name])))];
  return files.map((file) => {
    const found = phases.map((phase) => (phase.loras ?? []).find((lora) => lora[name] === file));
    const target = found.find((lora) => lora?.for)?.for;
    return { file, target, weights: found.map((lora) => (lora ? String(lora.multiplier ?? "1.0") : "")), at: { list: "phases", file } };
  });
}

/** LoRAs that the preset and the bundles bring along. */
function brought(words, resolved, count) {
  const said = new Set((words.loras ?? []).map((lora) => nameOf(lora.file)));
  const found = (resolved?.loras ?? []).filter((lora) => !said.has(nameOf(lora.file)) && !isInPhases(words, lora.file));
  return found.map((lora) => ({ file: lora.file, target: lora.for, weights: spread(lora.multiplier, count), at: null, bundle: lora.bundle }));
}

function isInPhases(words, file) {
  const phases = words.phases ?? words.phase_config?.phases ?? [];
  return phases.some((phase) => (phase.loras ?? []).some((lora) => nameOf(lora.file ?? lora.url) === nameOf(file)));
}

/** A LoRA's name without its folder or site and its suffix. */
export function nameOf(file) {
  return file.split("?")[0].replaceAll("\\", "/").split("/").at(-1).replace(/\.safetensors$/, "");
}

/** Write the phases that the plan resolved into the spec, with the LoRAs of its preset, which would not apply then. */
export function ownPhases(words, resolved) {
  const plain = ({ steps, guidance, expert }) => ({ steps, guidance, ...(["high", "low", "only"].includes(expert) ? { expert } : {}) });
  words.phases = (resolved?.phases?.length ? resolved.phases : [{ steps: 6, guidance: 1 }]).map(plain);
  ownLoras(words, resolved);
  delete words.steps; // a count of its own would contradict the phases
}

/** Write the LoRAs that the plan resolved into the words, but for those that bundles bring. */
export function ownLoras(words, resolved) {
  const there = new Set((words.loras ?? []).map((lora) => nameOf(lora.file)));
  const more = (resolved?.loras ?? []).filter((lora) => !lora.bundle && !there.has(nameOf(lora.file)));
  const kept = more.map((lora) => ({ file: lora.file, multiplier: lora.multiplier, for: lora.for, distilled: lora.distilled }));
  if (kept.length) words.loras = [...(words.loras ?? []), ...kept];
}

/** Change one cell of a phase: `name` is steps, guidance or expert; undefined takes it out. */
export function setCell(words, { row, name, value }) {
  if (words.phases) {
    if (value === undefined) delete words.phases[row][name];
    else words.phases[row][name] = value;
    if (name === "expert" && value !== undefined) completeExperts(words.phases, row, value);
    return;
  }
  const config = words.phase_config;
  if (name === "steps") config.steps_per_phase[row] = value ?? null;
  else if (name === "guidance") config.phases[row].guidance_scale = value ?? 1;
  else config.model_switch_phase = value === "high" ? row + 1 : Math.max(row, 1);
}

/** Experts are named for every phase or for none: the others follow, high before low. */
function completeExperts(phases, row, value) {
  phases.forEach((phase, index) => {
    if (phase.expert !== undefined || index === row) return;
    if (value === "only") phase.expert = "only";
    else phase.expert = index < row ? "high" : value === "high" && index === phases.length - 1 ? "low" : value;
  });
}

/** Change a LoRA's weight in one phase. */
export function setWeight(words, { at, row, value, count }) {
  const text = value.trim();
  if (at.list === "loras") {
    const lora = words.loras[at.index];
    const parts = spread(lora.multiplier ?? "1.0", count);
    parts[row] = text || "0";
    lora.multiplier = parts.join(PARTS);
    return;
  }
  const name = words.phases ? "file" : "url";
  const phase = (words.phases ?? words.phase_config.phases)[row];
  const others = (phase.loras ?? []).filter((lora) => lora[name] !== at.file);
  const before = (phase.loras ?? []).find((lora) => lora[name] === at.file);
  phase.loras = text ? [...others, { ...(before ?? { [name]: at.file }), multiplier: text }] : others;
  if (!phase.loras.length) delete phase.loras;
}

/** One more phase at the end, like the last one. */
export function addPhase(words) {
  if (words.phases) {
    words.phases.push(structuredClone(words.phases.at(-1)));
  } else {
    const { phase_config: config } = words;
    const next = structuredClone(config.phases.at(-1));
    if (next.phase !== undefined) next.phase += 1;
    config.phases.push(next);
    config.steps_per_phase.push(config.steps_per_phase.at(-1));
    recount(config);
  }
  eachMultiplier(words, (parts) => [...parts, parts.at(-1)]);
}

/** One phase less. */
export function removePhase(words, row) {
  if (words.phases) words.phases.splice(row, 1);
  else {
    const { phase_config: config } = words;
    config.phases.splice(row, 1);
    config.steps_per_phase.splice(row, 1);
    config.phases.forEach((phase, index) => {
      if (phase.phase !== undefined) phase.phase = index + 1;
    });
    recount(config);
    if (config.model_switch_phase > row + 1 || config.model_switch_phase >= config.phases.length) config.model_switch_phase -= 1;
    if (!config.model_switch_phase) delete config.model_switch_phase;
  }
  eachMultiplier(words, (parts) => parts.filter((_, index) => index !== row));
}

function recount(config) {
  if (config.num_phases !== undefined) config.num_phases = config.phases.length;
}

function eachMultiplier(words, how) {
  for (const lora of words.loras ?? []) {
    const parts = String(lora.multiplier ?? "1.0").split(PARTS);
    if (parts.length > 1) lora.multiplier = how(parts).join(PARTS);
  }
}

/** Name one more LoRA. */
export function addLora(words, { file, target }) {
  words.loras = [...(words.loras ?? []), { file, multiplier: "1.0", ...(target ? { for: target } : {}) }];
}

/** Take a LoRA out, wherever it stands. */
export function removeLora(words, at) {
  if (at.list === "loras") {
    words.loras.splice(at.index, 1);
    if (!words.loras.length) delete words.loras;
    return;
  }
  const name = words.phases ? "file" : "url";
  for (const phase of look(words, words.phases ? "phases" : "phase_config.phases")) {
    phase.loras = (phase.loras ?? []).filter((lora) => lora[name] !== at.file);
    if (!phase.loras.length) delete phase.loras;
  }
}
