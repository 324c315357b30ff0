// Talking to the server: changes, problems, what is said to the user, and parts of a page that are fetched anew.
const API = "/api/v1";

// Sends a request and gives what comes back; throws an Error that says what the server said, and of what `kind` it is.
export async function send(method, path, body) {
  const init = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(API + path, init);
  } catch {
    throw new Error("The server cannot be reached.");
  }
  const data = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw Object.assign(new Error(told(data, answer.status)), { kind: data?.type?.split(":").at(-1) });
  return data;
}

const AGAIN = 2000; // milliseconds

// The same for what may take long: asked for again until it is there; `tell` gets what the server says meanwhile.
export async function sendPatiently(method, path, tell) {
  for (;;) {
    try {
      return await send(method, path);
    } catch (error) {
      if (error.kind !== "preparing" && error.kind !== "busy") throw error;
      tell(error.message);
      await new Promise((go) => { setTimeout(go, AGAIN); });
    }
  }
}

function told(problem, status) {
  if (!problem) return `The server answered with status ${status}.`;
  return [problem.detail ?? problem.title, problem.fix].filter(Boolean).join(". ");
}

// Says something for a few seconds, to screen readers too.
export function say(text) {
  let place = document.querySelector(".toast");
  if (!place) {
    place = document.createElement("div");
    place.className = "toast";
    place.setAttribute("role", "status");
    document.body.append(place);
  }
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, 6000);
}

// Asks before something that cannot be taken back.
export function confirmed(question, label) {
  const dialog = document.createElement("dialog");
  const text = document.createElement("p");
  text.id = "question";
  text.textContent = question;
  dialog.setAttribute("aria-labelledby", text.id);
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "tools end";
  form.append(choice("Keep", "no", ""), choice(label, "yes", "danger"));
  dialog.append(text, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      answer(dialog.returnValue === "yes");
    });
  });
}

function choice(label, value, kind) {
  const button = document.createElement("button");
  button.value = value;
  button.textContent = label;
  button.className = kind;
  return button;
}

const ACTS = {
  cancel: (id) => send("POST", `/runs/${id}/cancel`),
  resume: (id) => send("POST", `/runs/${id}/resume`),
  retry: (id) => send("POST", `/runs/${id}/retry`),
  delete: (id) => send("DELETE", `/runs/${id}`),
};
const DONE = { cancel: "cancelled", resume: "queued once more", retry: "queued once more", delete: "deleted" };

// Does something with runs, each on its own, and says how many it went well for. Gives the ids that it was done with.
export async function act(name, ids) {
  const what = ids.length === 1 ? "this run" : `these ${ids.length} runs`;
  if (name === "delete" && !(await confirmed(`Delete ${what} with the record and the video? Segments stay until they are collected.`, "Delete"))) return [];
  const done = [];
  const wrong = [];
  for (const id of ids) {
    try {
      await ACTS[name](id);
      done.push(id);
    } catch (error) {
      wrong.push(error.message);
    }
  }
  if (wrong.length) say(wrong.length === 1 ? wrong[0] : `${wrong[0]} (and ${wrong.length - 1} more)`);
  else say(`${ids.length === 1 ? "The run is" : `${ids.length} runs are`} ${DONE[name]}.`);
  return done;
}

// Fetches the page anew and puts in the parts of these ids that changed; what is open, chosen or focused stays so.
export async function refresh(ids, address = location.href) {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok || answer.redirected) return [];
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  return ids.filter((id) => replace(document.getElementById(id), fresh.getElementById(id)));
}

const shown = new WeakMap();

function replace(old, fresh) {
  if (!old || !fresh) return false;
  const text = fresh.innerHTML;
  const same = (shown.get(old) ?? null) === text;
  for (const { name, value } of fresh.attributes) if (name !== "tabindex") old.setAttribute(name, value);
  if (same) return false;
  const kept = keep(old);
  old.replaceChildren(...fresh.childNodes);
  shown.set(old, text);
  restore(old, kept);
  localTimes(old);
  return true;
}

function keep(part) {
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  return {
    open: [...part.querySelectorAll("details")].map((item) => item.open),
    chosen: new Set([...part.querySelectorAll("input[type=checkbox]:checked")].map((item) => item.value)),
    focus: active && name(active),
    left: [...part.querySelectorAll(".scroll, .strip")].map((item) => item.scrollLeft),
  };
}

function restore(part, kept) {
  part.querySelectorAll("details").forEach((item, at) => { item.open = kept.open[at] ?? item.open; });
  part.querySelectorAll("input[type=checkbox]").forEach((item) => { item.checked = kept.chosen.has(item.value); });
  part.querySelectorAll(".scroll, .strip").forEach((item, at) => { item.scrollLeft = kept.left[at] ?? 0; });
  if (!kept.focus) return;
  const again = [...part.querySelectorAll("a, button, input, summary, [tabindex]")].find((item) => name(item) === kept.focus);
  again?.focus({ preventScroll: true });
}

// What tells a control from others, across two versions of a page.
function name(item) {
  const data = Object.entries(item.dataset).filter(([key]) => key !== "priority").map(([key, value]) => `${key}=${value}`);
  return [item.tagName, item.id, item.getAttribute("href"), item.value, ...data].join("|");
}

// Times in the reader's own zone and words.
export function localTimes(part = document) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const item of part.querySelectorAll("time[datetime]")) {
    const moment = new Date(item.dateTime);
    if (!Number.isNaN(moment.getTime())) item.textContent = format.format(moment);
  }
}
localTimes();

// Calls `work` every so many seconds while somebody looks at the page, one call at a time.
export function whileSeen(seconds, work) {
  const again = async () => {
    if (!document.hidden) await work().catch(() => {});
    setTimeout(again, seconds() * 1000);
  };
  setTimeout(again, seconds() * 1000);
}
