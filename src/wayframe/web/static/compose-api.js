// What the page asks of its server. Every refusal becomes a `Refusal` with the words of the problem.

const ROOT = "/api/v1";
const AGAIN = 1000; // milliseconds until a submission that is being prepared is asked for again

/** An answer that is no success: what is wrong, in which field, and what to do. */
export class Refusal extends Error {
  constructor(problem, status) {
    super(problem.detail ?? "the server gave no reason");
    this.status = status;
    this.kind = (problem.type ?? "").split(":").at(-1);
    this.field = problem.field ?? "";
    this.fix = problem.fix ?? "";
  }
}

async function asked(path, { signal, body, type = "application/json", method = "POST" } = {}) {
  let answer;
  try {
    answer = await fetch(ROOT + path, { method, body, signal, headers: body === undefined ? {} : { "Content-Type": type } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal({ detail: "the server does not answer" }, 0);
  }
  if (!answer.ok) throw new Refusal(await problemOf(answer), answer.status);
  return answer;
}

async function problemOf(answer) {
  try {
    return await answer.json();
  } catch {
    return { detail: `the server answered ${answer.status}` };
  }
}

/** Plan a draft: its segments, charts, findings and what it will cost. A draft with a fault in it is a `Refusal`. */
export async function plan(draft, signal) {
  const { planned, refused } = await (await asked("/plan/check", { body: JSON.stringify(draft), signal })).json();
  if (refused) throw new Refusal(refused, refused.status);
  return planned;
}

/** The spec of a run, with what is here of its pictures and videos. */
export async function draftOfRun(run) {
  return (await asked(`/runs/${encodeURIComponent(run)}/draft`, { method: "GET" })).json();
}

/** Submit a draft; gives the run. What takes long on the server is asked for again, and `tell` hears how far it is. */
export async function submit(draft, tell) {
  for (;;) {
    try {
      return await (await asked("/runs", { body: JSON.stringify(draft) })).json();
    } catch (refusal) {
      if (refusal.kind !== "preparing") throw refusal;
      tell(refusal.message.replace(/; ask again$/, ""));
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }
}

/** The spec that a text holds; `form` is yaml, json or toml. */
export async function readSpec(text, form) {
  return (await asked(`/specs/read?form=${form}`, { body: text, type: "text/plain; charset=utf-8" })).json();
}

/** The spec as YAML. */
export async function writeSpec(spec) {
  return (await asked("/specs/yaml", { body: JSON.stringify({ spec }) })).text();
}

/**
 * Send a file as it is, and tell how far it is (0 to 1). XMLHttpRequest, because fetch does not say how much has gone.
 * Gives what the server says of it.
 */
function send(path, file, { progress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", ROOT + path);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => progress?.(event.loaded / (event.total || 1)));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Refusal(request.response ?? { detail: `the server answered ${request.status}` }, request.status));
    });
    request.addEventListener("error", () => reject(new Refusal({ detail: "the connection broke" }, 0)));
    request.addEventListener("abort", () => reject(new DOMException("taken back", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** Send a picture. */
export function upload(file, options) {
  return send(`/uploads?name=${encodeURIComponent(file.name)}`, file, options);
}

/** Send a video or a sound that the spec names. */
export function uploadMedia(file, options) {
  return send(`/uploads/media?name=${encodeURIComponent(file.name)}`, file, options);
}

/** Send a video of ours; gives the settings that it carries. */
export function readVideo(file, options) {
  return send("/specs/from-video", file, options);
}
