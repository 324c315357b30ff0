// Runs side by side: videos in step, the report filtered, its text copied.
import { say } from "./api.js";
import { Player, controls } from "./player.js";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Videos
const box = document.querySelector("[data-players]");
const screens = box ? all(".screen", box) : [];
if (screens.length) {
  const sides = screens.map((screen) => ({ video: screen.querySelector("video"), media: JSON.parse(screen.dataset.media) }));
  const outputs = screens.map((screen) => screen.querySelector("b span"));
  const seek = box.querySelector("[data-do=seek]");
  const play = box.querySelector("[data-do=play]");
  const player = new Player(sides, (frames, playing) => {
    frames.forEach((frame, at) => { outputs[at].textContent = frame; });
    seek.value = frames[0];
    play.textContent = playing ? "Pause" : "Play";
  });
  controls(player, box);
  const stage = box.querySelector(".stage");
  const wipe = box.querySelector("[data-do=wipe]");
  wipe?.addEventListener("input", () => stage.style.setProperty("--wipe", `${wipe.value}%`));
  for (const button of all("[data-mode]", box)) {
    button.addEventListener("click", () => {
      stage.className = `stage ${button.dataset.mode}`;
      wipe.hidden = button.dataset.mode !== "wipe";
      for (const other of all("[data-mode]", box)) other.setAttribute("aria-pressed", String(other === button));
    });
  }
}

// Folding and filtering: rows, items, paragraphs that say the words; parts without any are put away
const report = document.getElementById("report");
if (report) {
  const filter = document.getElementById("filter");
  const apart = document.getElementById("apart");
  const fold = document.getElementById("fold");
  const found = document.getElementById("found");
  const parts = all("details", report);
  const usual = new Map(parts.map((part) => [part, part.open]));
  const leaves = all("tbody tr, li, p, pre, figure.chart", report);
  fold.addEventListener("click", () => {
    const open = fold.textContent === "Open all";
    for (const part of parts) part.open = open;
    fold.textContent = open ? "Close all" : "Open all";
  });
  const sift = () => {
    const wanted = filter.value.trim().toLowerCase();
    let count = 0;
    for (const leaf of leaves) {
      const says = !wanted || leaf.textContent.toLowerCase().includes(wanted);
      const marked = leaf.tagName === "TR" && leaf.closest("#side-by-side, #steps, #videos");
      const kept = says && (!apart.checked || !marked || leaf.classList.contains("differs"));
      leaf.hidden = !kept;
      count += kept ? 1 : 0;
    }
    for (const figure of all("figure.table", report)) figure.hidden = !figure.querySelector("tbody tr:not([hidden])");
    for (const part of parts.toReversed()) {
      const any = leaves.some((leaf) => part.contains(leaf) && !leaf.hidden);
      part.hidden = !any;
      part.open = wanted ? any : usual.get(part);
    }
    found.textContent = wanted ? `${count} found` : "";
  };
  filter.addEventListener("input", sift);
  apart.addEventListener("change", sift);
}

// Markdown
document.querySelector("[data-copy]")?.addEventListener("click", async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  try {
    const answer = await fetch(button.dataset.copy);
    if (!answer.ok) throw new Error("The server could not write the report.");
    const text = await answer.text();
    await copy(text);
    say("The report is in the clipboard, as Markdown.");
  } catch (error) {
    say(error.message);
  }
  button.disabled = false;
});

// The clipboard needs https or this machine; elsewhere the text is shown to be copied by hand.
async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return;
    } catch {
      // not allowed: shown instead
    }
  }
  const dialog = document.createElement("dialog");
  const area = document.createElement("textarea");
  area.value = text;
  area.rows = 18;
  area.readOnly = true;
  area.setAttribute("aria-label", "The report as Markdown");
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "tools end";
  const close = document.createElement("button");
  close.textContent = "Close";
  form.append(close);
  dialog.append(area, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  area.select();
  throw new Error("The browser keeps the clipboard to itself: copy the text by hand.");
}
