// Controls of the form, each bound to one field of the spec by its path.
import { look } from "./compose-draft.js";
import { mark, show } from "./compose-dom.js";
import { moment, number, numbers } from "./compose-grid.js";

/** What a control says, by its kind. */
export const READ = {
  text: (control) => control.value,
  moment: (control) => moment(control.value),
  switch: (control) => (control.value === "" ? undefined : control.value === "true"),
  number: (control) => number(control.value),
  numbers: (control) => numbers(control.value),
  rate: (control) => (/^[0-9]+$/.test(control.value.trim()) ? Number(control.value) : control.value.trim()),
  names: (control, before) => named(control, before),
  yes: (control) => (control.checked ? true : undefined),
};

/** The names of a list after one of its checkboxes was set or cleared; the others stay in their order. */
function named(control, before = []) {
  const others = before.filter((name) => name !== control.value);
  const chosen = control.checked ? [...others, control.value] : others;
  return chosen.length ? chosen : undefined;
}

export class Fields {
  constructor(form, draft) {
    this.draft = draft;
    this.controls = [...form.querySelectorAll("[data-field]")];
    for (const control of this.controls) {
      control.dataset.usual = control.getAttribute("placeholder") ?? "";
      control.addEventListener("input", () => {
        const { field, kind } = control.dataset;
        draft.set(field, READ[kind](control, look(draft.words, field)));
      });
    }
  }

  /** The paths of the fields that have a control. */
  get known() {
    return new Set(this.controls.map((control) => control.dataset.field));
  }

  show(resolved) {
    for (const control of this.controls) {
      const value = look(this.draft.words, control.dataset.field);
      if (control.dataset.kind === "names") control.checked = (value ?? []).includes(control.value);
      else show(control, Array.isArray(value) ? value.join(", ") : value);
      if (control.tagName === "SELECT") keepUnknown(control, value);
      if (value !== undefined) unfold(control);
      if (resolved && control.tagName === "INPUT" && control.type !== "checkbox") {
        const usual = look(resolved, control.dataset.resolved ?? control.dataset.field);
        mark(control, "placeholder", Array.isArray(usual) ? [...new Set(usual)].join(", ") : (usual ?? (control.dataset.usual || null)));
      }
    }
  }
}

/** What the spec says is seen: its part of the form is opened once, and stays as the user leaves it. */
export function unfold(control) {
  for (let details = control.closest("details"); details; details = details.parentElement.closest("details")) {
    if (details.dataset.seen) continue;
    details.dataset.seen = "yes";
    details.open = true;
  }
}

/** A value that the list does not offer is offered all the same: it came with the spec, and it stays. */
export function keepUnknown(select, value) {
  if (value !== undefined && ![...select.options].some((option) => option.value === String(value))) {
    select.add(new Option(String(value), String(value)));
  }
  show(select, value);
}
