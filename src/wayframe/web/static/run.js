// A run: its video, its strip, the segment that is open, and what happens while it goes on.
import { act, refresh, say, send, sendPatiently } from "./api.js";
import { Player, controls } from "./player.js";

const page = document.getElementById("run");
const id = page?.dataset.run ?? location.pathname.split("/").pop();
const PARTS = ["head", "said", "watch", "facts", "strip", "legend", "segment", "findings", "revisions"];
const AGAIN = 2000; // milliseconds
const isOpen = () => page && ["queued", "running"].includes(page.dataset.state);
let player = null;

// The video, and its place in the strip
function startPlayer() {
  const box = document.querySelector("[data-player]");
  if (!box || box.dataset.started) return;
  box.dataset.started = "yes";
  const media = JSON.parse(box.dataset.player);
  const seek = box.querySelector("[data-do=seek]");
  const number = box.querySelector("[data-do=frame]");
  const play = box.querySelector("[data-do=play]");
  player = new Player([{ video: box.querySelector("video"), media }], ([frame], playing) => {
    seek.value = frame;
    if (document.activeElement !== number) number.value = frame;
    play.textContent = playing ? "Pause" : "Play";
    playhead(frame, media.frames);
  });
  controls(player, box);
}

function playhead(frame, frames) {
  const line = document.querySelector("[data-playhead]");
  if (!line) return;
  const x = `${((frame + 0.5) / frames) * 100}%`;
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
  line.setAttribute("visibility", "visible");
}

// The curves of what was measured, frame by frame
const SVG = "http://www.w3.org/2000/svg";
let curves = null;

// Asked for once; a long video is measured for a while, which is said below the strip.
async function measured() {
  const words = document.getElementById("measuring");
  const found = await sendPatiently("GET", `/runs/${id}/curves`, (text) => { words.textContent = text.replace(/; ask again$/, ""); })
    .catch(() => null);
  words.textContent = found ? "" : "The video could not be measured.";
  return found;
}

async function drawCurves() {
  if (!document.querySelector(".strip .curves") || !player) return;
  curves ??= measured();
  const found = await curves;
  const place = document.querySelector(".strip .curves");
  if (!found || !place) return;
  for (const [name, values] of [["motion", found.motion], ["change", found.compensated]]) {
    place.querySelector(`.${name}`)?.remove();
    const most = Math.max(...values, 1e-9);
    const points = values.map((value, frame) => `${frame + 0.5},${(0.96 - (0.88 * value) / most).toFixed(3)}`);
    const path = document.createElementNS(SVG, "polyline");
    path.setAttribute("class", `curve ${name}`);
    path.setAttribute("points", points.slice(1).join(" "));
    place.append(path);
  }
}

// Segments: one is open at a time
async function openSegment(index, { focus = true } = {}) {
  const address = new URL(location.href);
  address.searchParams.set("segment", index);
  address.hash = "";
  history.replaceState(null, "", address);
  try {
    await refresh(["segment", "strip"], address.href);
  } catch {
    return say("The server cannot be reached.");
  }
  afterRefresh();
  if (focus) document.getElementById("segment").scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-segment]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    await openSegment(Number(link.dataset.segment));
    return;
  }
  const frame = event.target.closest("button[data-frame]");
  if (frame && player) {
    player.pause();
    player.go(Number(frame.dataset.frame));
    return;
  }
  const curves = event.target.closest(".strip .curves");
  if (curves && player) {
    const box = curves.getBoundingClientRect();
    player.pause();
    player.go(Math.floor(((event.clientX - box.left) / box.width) * player.media.frames));
    return;
  }
  const button = event.target.closest("button[data-act]");
  if (button) {
    button.disabled = true;
    const done = await act(button.dataset.act, [button.dataset.runs]);
    button.disabled = false;
    if (!done.length) return;
    if (button.dataset.act === "delete") location.assign("/");
    else if (button.dataset.act === "cancel") await update();
    else location.reload();
  }
});

// The log of a segment: lines of its task, and those that name it
document.addEventListener("toggle", async (event) => {
  if (event.target.matches?.("details[data-log][open]")) await showLog(event.target);
}, true);

async function showLog(details) {
  const place = details.querySelector(".log");
  const about = [`[Task ${details.dataset.task}]`, `segment ${details.dataset.segmentNumber} `];
  const lines = [];
  let after = 0;
  let mine = false;
  try {
    for (;;) {
      const part = await send("GET", `/runs/${id}/log?after=${after}`);
      for (const line of part.lines) {
        if (!line.startsWith("    ")) mine = about.some((text) => line.includes(text));
        if (mine) lines.push(line.replace(about[0], "").replace("  ", " "));
      }
      if (!part.lines.length || part.next <= after) break;
      after = part.next;
    }
    place.textContent = lines.join("\n") || "No line of the log is about this segment yet.";
  } catch (error) {
    place.textContent = error.message;
  }
}

// Another take of a segment
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-redo]");
  if (!form) return;
  event.preventDefault();
  const change = { segment: Number(form.dataset.redo) };
  for (const field of form.elements) {
    if (!field.name || field.value === field.defaultValue || field.value === "") continue;
    change[field.name] = field.type === "number" ? Number(field.value) : field.value;
  }
  const button = form.querySelector("button[type=submit]");
  const wrong = form.querySelector(".wrong");
  wrong.hidden = true;
  button.disabled = true;
  try {
    const made = await send("POST", `/runs/${id}/redo`, change);
    location.assign(`/runs/${made.run?.id ?? made.id}?segment=${change.segment}`);
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
    button.disabled = false;
  }
});

// Live: what happens comes as events; the parts of the page that it concerns are fetched anew, at most once a second.
const rendered = new Map();
let waiting = null;
let updating = Promise.resolve();

function soon() {
  waiting ??= setTimeout(() => {
    waiting = null;
    updating = updating.then(update).catch(() => {});
  }, 1000);
}

async function update() {
  await refresh(["run-state", ...PARTS]);
  const fresh = document.getElementById("run-state");
  if (fresh && page) page.dataset.state = fresh.dataset.state;
  afterRefresh();
}

// What the run has become is shown in any case: when the server is away, as soon as it is back.
async function settled() {
  for (;;) {
    try {
      return await update();
    } catch {
      await new Promise((go) => { setTimeout(go, AGAIN); });
    }
  }
}

function afterRefresh() {
  startPlayer();
  for (const [segment, share] of rendered) fill(segment, share);
  if (player) {
    player.tell();
    drawCurves();
  }
}

function fill(segment, share) {
  const bar = document.querySelector(`.piece[data-segment="${segment}"] .fill`);
  if (bar && share * 100 > parseFloat(bar.getAttribute("width"))) bar.setAttribute("width", `${share * 100}%`);
  const opened = document.querySelector(`progress[data-of="${segment}"]`);
  if (opened && share > opened.value) opened.value = share;
}

function follow() {
  const stream = new EventSource(`/api/v1/runs/${id}/events`);
  stream.addEventListener("message", (message) => {
    const event = JSON.parse(message.data);
    if (event.event === "FrameRendered") {
      rendered.set(event.segment, event.done / event.frames);
      fill(event.segment, event.done / event.frames);
    } else {
      if (event.event === "RunStarted") rendered.clear();
      soon();
    }
  });
  stream.addEventListener("end", async () => {
    stream.close();
    rendered.clear();
    await updating;
    await settled();
    if (page.dataset.state) say(`The run is ${page.dataset.state}.`);
  });
}

startPlayer();
drawCurves();
if (isOpen()) follow();
