// The draft of this tab is kept over a reload: what was typed, and which pictures the server has.
const KEY = "wayframe-draft";

/** Write the draft down. */
export function keep(draft) {
  const files = Object.fromEntries(Object.entries(draft.files).filter(([, file]) => file.state === "here"));
  const pictures = draft.stops.map(({ picture }) => (picture?.state === "here" ? { ...picture, file: undefined, preview: undefined } : null));
  try {
    if (!draft.isEmpty) sessionStorage.setItem(KEY, JSON.stringify({ spec: draft.spec(), pictures, files, options: draft.options }));
    else sessionStorage.removeItem(KEY);
  } catch {
    // storage may be full or forbidden: the draft lives in this page only
  }
}

/** The draft that was written down, or null. */
export function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}

/** Forget it: it became a run. */
export function forget() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // nothing was kept
  }
}
