// Options of the engine: they go with a run and stand in no spec.
import { keepUnknown, unfold } from "./compose-fields.js";
import { show } from "./compose-dom.js";

export class Options {
  constructor(form, draft) {
    this.draft = draft;
    this.controls = [...form.querySelectorAll("[data-option]")];
    for (const control of this.controls) control.addEventListener("input", () => draft.setOption(control.dataset.option, control.value.trim()));
  }

  show() {
    for (const control of this.controls) {
      const value = this.draft.options[control.dataset.option];
      if (control.tagName === "SELECT") keepUnknown(control, value);
      else show(control, value);
      if (value !== undefined) unfold(control);
    }
  }
}
