// The plan as one types: asked for when typing rests, and an answer that is overtaken is dropped.
import { chart } from "./chart.js";
import { plan } from "./compose-api.js";
import { el } from "./compose-dom.js";
import { rate, seconds } from "./compose-grid.js";

const REST = 350; // milliseconds without a change
const ORDER = ["critical", "warning", "info"];

export class Planning {
  #timer = 0;
  #asking = null;

  constructor(root, { charts, brief, draftOf, planned }) {
    Object.assign(this, { root, charts, brief, draftOf, planned });
  }

  /** Ask again soon. */
  soon() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.root.setAttribute("aria-busy", "true");
    this.#timer = setTimeout(() => this.#ask(), REST);
  }

  async #ask() {
    const draft = this.draftOf();
    if (typeof draft === "string") return this.#say(draft);
    this.#asking = new AbortController();
    try {
      const answer = await plan(draft, this.#asking.signal);
      this.planned(answer);
      this.#show(answer);
    } catch (refusal) {
      if (refusal.name === "AbortError") return;
      this.planned(null, refusal);
      this.#refused(refusal);
    }
    this.root.setAttribute("aria-busy", "false");
  }

  #say(words) {
    this.planned(null);
    this.#fill({ facts: [], findings: el("p", { class: "soft" }, words) });
    this.brief.textContent = words;
    this.root.setAttribute("aria-busy", "false");
  }

  #refused({ message, field, fix }) {
    const where = field ? [el("code", {}, field), " "] : [];
    const words = field && message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message;
    const line = el("li", { class: "critical" }, el("p", {}, el("span", { class: "severity" }, "error"), " ", ...where, words), fix && !words.includes(fix) ? el("p", { class: "soft small" }, fix) : null);
    this.#fill({ facts: null, findings: el("ul", { class: "findings" }, line) });
    this.brief.textContent = message;
  }

  #show({ plan: summary, estimate, findings, charts }) {
    this.#fill({
      facts: [
        ["Video", `${summary.resolution}, ${summary.fps} fps`],
        ["Length", `${summary.frames} frames, ${seconds(summary.frames, rate(summary.fps))}`],
        ["Segments", estimate.found ? `${estimate.segments}, of which ${estimate.found} are rendered already` : String(estimate.segments)],
        ["Engine", summary.model ? `${summary.engine}, ${summary.model}` : summary.engine],
        ["Forwards", estimate.forwards ? String(estimate.forwards) : ""],
        ["Time", estimate.seconds === null ? estimate.says : `about ${inWords(estimate.seconds)}, ${estimate.says}`],
      ],
      findings: listed(findings),
    });
    this.brief.textContent = brief(summary, estimate, findings);
    this.charts.replaceChildren(...charts.map((each) => chart(each)));
    this.charts.hidden = !charts.length;
  }

  #fill({ facts, findings }) {
    const list = this.root.querySelector("dl");
    if (facts) list.replaceChildren(...facts.filter(([, text]) => text).flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
    for (const part of [list, this.charts]) part.classList.toggle("stale", facts === null);
    this.root.querySelector("[data-findings]").replaceChildren(findings);
  }
}

/** The plan in a line. */
function brief({ frames, fps }, estimate, findings) {
  const grave = ["critical", "warning"].map((severity) => [severity, findings.filter((each) => each.severity === severity).length]);
  return [
    `${frames} frames, ${seconds(frames, rate(fps))}`,
    estimate.forwards ? `${estimate.forwards} forwards` : "",
    estimate.seconds === null ? "" : `about ${inWords(estimate.seconds)}`,
    ...grave.map(([severity, count]) => (count ? `${count} ${severity}${severity === "warning" && count > 1 ? "s" : ""}` : "")),
  ]
    .filter(Boolean)
    .join(" · ");
}

function inWords(all) {
  if (all < 60) return `${Math.max(Math.round(all), 1)} s`;
  if (all < 3600) return `${Math.round(all / 60)} min`;
  return `${Math.floor(all / 3600)} h ${Math.round((all % 3600) / 60)} min`;
}

/** Findings by their rules, the gravest first; what is alike stands together. */
function listed(findings) {
  if (!findings.length) return el("p", { class: "soft" }, "Nothing was found.");
  const groups = Map.groupBy ? Map.groupBy(findings, (each) => each.code) : grouped(findings);
  const all = [...groups.values()].sort((a, b) => ORDER.indexOf(a[0].severity) - ORDER.indexOf(b[0].severity));
  return el("ul", { class: "findings" }, all.map(group));
}

function grouped(findings) {
  const groups = new Map();
  for (const each of findings) groups.set(each.code, [...(groups.get(each.code) ?? []), each]);
  return groups;
}

/** A message in the numbers of this page: keyframes are counted from 0, the pictures here from 1. */
function shown(message) {
  return message.replace(/\bkeyframe (\d+)\b/g, (_, index) => `picture ${Number(index) + 1}`);
}

function group([first, ...more]) {
  const rest = more.length ? el("details", {}, el("summary", { class: "soft small" }, `${more.length} more of this kind`), more.map((each) => el("p", {}, shown(each.message)))) : null;
  return el(
    "li",
    { class: first.severity },
    el("p", {}, el("span", { class: "severity" }, first.severity), ` ${shown(first.message)}`),
    rest,
    el("p", { class: "soft small" }, first.action),
  );
}
