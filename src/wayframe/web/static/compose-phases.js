// The table of phases: steps, guidance and expert of each, and the weight of every LoRA in it.
import { announce, el, keepInStep, mark, show } from "./compose-dom.js";
import { number } from "./compose-grid.js";
import { addLora, addPhase, nameOf, ownLoras, ownPhases, readTable, removeLora, removePhase, setCell, setWeight } from "./compose-recipe.js";

const EXPERTS = { 2: ["high", "low"], 1: ["only"] };
const LONGEST = 26;

export class Phases {
  constructor(root, draft, page) {
    Object.assign(this, { root, draft, page });
    this.head = root.querySelector("thead tr");
    this.body = root.querySelector("tbody");
    root.querySelector("[data-own]").addEventListener("click", () => this.#own());
    root.querySelector("[data-usual]").addEventListener("click", () => this.#usual());
    root.querySelector("[data-add-phase]").addEventListener("click", () => this.#change("", addPhase));
    root.querySelector("[data-add-lora]").addEventListener("submit", (event) => this.#addLora(event));
  }

  show() {
    const { resolved } = this.page;
    const table = readTable(this.draft.words, resolved);
    this.root.hidden = table.rows.length === 0 && table.form === "none" && !table.loras.length;
    this.root.querySelector("[data-from]").textContent = this.#from(table);
    this.root.querySelector("[data-own]").hidden = table.form !== "none";
    for (const part of this.root.querySelectorAll("[data-usual], [data-add-phase]")) part.hidden = table.form === "none";
    this.#heads(table);
    keepInStep(this.body, table.rows, {
      key: (_, index) => `${table.form}-${index}-${table.loras.length}`,
      make: (_, index) => this.#row(index, table),
      update: (line, row, index) => this.#fill(line, row, index, table),
    });
  }

  #from({ form }) {
    const { preset, model } = this.draft.words;
    const where = this.page.owner ? "Of this segment alone" : "Written in this spec";
    if (form === "phases") return `${where}.`;
    if (form === "phase_config") return `${where} as a phase_config.`;
    if (this.page.owner) return `As ${this.page.owner} has them.`;
    return preset ? `As preset ${preset} has them.` : model ? `As model ${model} has them.` : "";
  }

  #heads({ loras }) {
    const fixed = [...this.head.children].slice(0, 4);
    const heads = loras.map((lora) => {
      const name = nameOf(lora.file);
      const words = el("span", { title: lora.file }, name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);
      const target = el("span", { class: "soft small" }, lora.at ? (lora.target ?? "") : `${lora.target}, from ${lora.bundle ? `bundle ${lora.bundle}` : (this.page.owner ?? "the preset")}`);
      const gone = lora.at ? el("button", { type: "button", class: "icon plain", "aria-label": `Remove LoRA ${name}`, onclick: () => this.#change("", (words) => removeLora(words, lora.at)) }, "×") : null;
      return el("th", { scope: "col", class: "lora" }, el("span", { class: "bar" }, words, gone), target);
    });
    this.head.replaceChildren(...fixed, ...heads, el("th", { scope: "col" }, el("span", { class: "quiet" }, "Remove")));
  }

  #row(index, table) {
    const input = (label, properties, onchange) => el("input", { "aria-label": `${label} of phase ${index + 1}`, autocomplete: "off", ...properties, oninput: onchange });
    const cell = (name, mode) => el("td", {}, input(name, { inputmode: mode, data: { cell: name } }, (event) => this.#cell(index, name, number(event.target.value))));
    const expert = el("select", { "aria-label": `Expert of phase ${index + 1}`, data: { cell: "expert" }, onchange: (event) => this.#cell(index, "expert", event.target.value || undefined) });
    const weights = table.loras.map((lora, at) =>
      el("td", {}, input(`Weight of ${nameOf(lora.file)}`, { data: { lora: at }, disabled: lora.at === null }, (event) => this.#weight(at, index, event.target.value))),
    );
    const gone = el("button", { type: "button", class: "icon plain", "aria-label": `Remove phase ${index + 1}`, onclick: () => this.#removePhase(index) }, "×");
    return el("tr", {}, el("th", { scope: "row" }, String(index + 1)), cell("steps", "numeric"), cell("guidance", "decimal"), el("td", {}, expert), weights, el("td", {}, gone));
  }

  #fill(line, row, index, { form, loras, rows }) {
    const fixed = form === "none";
    const select = line.querySelector("select");
    const kinds = [...new Set(["", ...EXPERTS[this.page.model?.experts ?? 2], row.expert ?? ""])];
    if (select.options.length !== kinds.length || [...select.options].some((option, at) => option.value !== kinds[at])) {
      select.replaceChildren(...kinds.map((kind) => new Option(kind || "by itself", kind)));
    }
    for (const control of line.querySelectorAll("[data-cell]")) {
      show(control, row[control.dataset.cell] ?? "");
      control.disabled = fixed;
      mark(control, "aria-invalid", this.page.wrong === `phases[${index}].${control.dataset.cell}`);
    }
    for (const control of line.querySelectorAll("[data-lora]")) show(control, loras[control.dataset.lora].weights[index]);
    line.querySelector("button").hidden = fixed || rows.length < 2;
  }

  #change(what, how) {
    this.draft.change(what, ({ words }) => how(words));
  }

  #cell(row, name, value) {
    this.#change(`phase ${row} ${name}`, (words) => setCell(words, { row, name, value }));
  }

  #weight(at, row, value) {
    const table = readTable(this.draft.words, this.page.resolved);
    this.#change(`lora ${at} ${row}`, (words) => setWeight(words, { at: table.loras[at].at, row, value, count: table.rows.length }));
  }

  #removePhase(row) {
    this.#change("", (words) => removePhase(words, row));
    announce(`phase ${row + 1} removed`);
    this.root.querySelector("[data-add-phase]").focus();
  }

  #own() {
    this.#change("", (words) => ownPhases(words, this.page.resolved));
    this.body.querySelector("input")?.focus();
  }

  #usual() {
    this.#change("", (words) => {
      delete words.phases;
      delete words.phase_config;
      if (this.page.owner) delete words.loras;
    });
    this.root.querySelector("[data-own]").focus();
  }

  #addLora(event) {
    event.preventDefault();
    const { file, target } = event.target.elements;
    if (!file.value.trim()) return file.focus();
    this.#change("", (words) => {
      if (this.page.owner) ownLoras(words, this.page.resolved); // a segment's own list takes the place of the trip's
      addLora(words, { file: file.value.trim(), target: target.value });
    });
    announce(`LoRA ${nameOf(file.value)} added`);
    event.target.reset();
    file.focus();
  }
}
