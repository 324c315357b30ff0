"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;

  // Theme: the system's until the button is used.
  const theme = document.getElementById("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
  nameTheme();

  // Fold and unfold.
  const fold = document.getElementById("fold");
  const usual = new Map(all("details").map((details) => [details, details.open]));
  const restore = () => usual.forEach((open, details) => { details.open = open; });
  fold.addEventListener("click", () => {
    const open = fold.textContent === "Open all";
    all("details").forEach((details) => { details.open = open; });
    fold.textContent = open ? "Close all" : "Open all";
  });
  let before = [];
  addEventListener("beforeprint", () => {
    before = all("details").map((details) => [details, details.open]);
    before.forEach(([details]) => { details.open = true; });
  });
  addEventListener("afterprint", () => before.forEach(([details, open]) => { details.open = open; }));

  // Filter: rows, list items, paragraphs and lines of code that say the words; parts without any are put away.
  const box = document.getElementById("filter");
  const apart = document.getElementById("apart");
  const found = document.getElementById("found");
  const leaves = all("main tbody tr, main li, main p, main pre, main figure.chart, main figure.strip, main .player");
  const sift = () => {
    const wanted = box.value.trim().toLowerCase();
    const only = apart.checked;
    let count = 0;
    leaves.forEach((leaf) => {
      const says = !wanted || leaf.textContent.toLowerCase().includes(wanted);
      const marked = leaf.closest("#side-by-side, #steps, #videos");
      const kept = says && (!only || leaf.tagName !== "TR" || !marked || leaf.classList.contains("differs"));
      leaf.classList.toggle("hidden", !kept);
      count += kept ? 1 : 0;
    });
    all("main figure.table").forEach((figure) => figure.classList.toggle("hidden", !figure.querySelector("tbody tr:not(.hidden)")));
    all("main details").reverse().forEach((details) => {
      const any = leaves.some((leaf) => details.contains(leaf) && !leaf.classList.contains("hidden"));
      details.classList.toggle("hidden", !any);
      if (wanted) { details.open = any; }
    });
    if (!wanted) { restore(); }
    found.textContent = wanted ? `${count} found` : "";
  };
  box.addEventListener("input", sift);
  apart.addEventListener("change", sift);

  // Two videos under one set of controls. The first one leads; the second follows, aligned from keyframe to keyframe.
  all(".player").forEach((player) => {
    const media = JSON.parse(player.dataset.media);
    const stage = player.querySelector(".stage");
    const [lead, follower] = all("video", player);
    const counters = all("output", player);
    const control = (name) => player.querySelector(`[data-do="${name}"]`);
    const seek = control("seek"), wipe = control("wipe"), play = control("play");
    const last = media.frames[0] - 1;

    const partner = (frame) => {
      const span = media.spans.find(([a]) => frame >= a[0] && frame <= a[1]);
      if (!span) { return Math.min(frame, media.frames[1] - 1); }
      const [a, b] = span;
      return a[1] === a[0] ? b[0] : b[0] + (frame - a[0]) * (b[1] - b[0]) / (a[1] - a[0]);
    };
    const pace = (frame) => {
      const span = media.spans.find(([a]) => frame >= a[0] && frame < a[1]);
      const share = span ? (span[1][1] - span[1][0]) / (span[0][1] - span[0][0]) : 1;
      return share * media.rates[0] / media.rates[1];
    };
    const show = (frame) => {
      const second = Math.round(partner(frame));
      seek.value = frame;
      counters[0].textContent = frame;
      counters[1].textContent = second;
      return second;
    };
    const at = (frame, side) => (frame + 0.5) / media.rates[side];
    let wanted = 0;
    const go = (frame) => {
      wanted = Math.max(0, Math.min(last, Math.round(frame)));
      lead.currentTime = at(wanted, 0);
      follower.currentTime = at(show(wanted), 1);
    };
    const pause = () => { lead.pause(); follower.pause(); play.textContent = "Play"; };
    const onFrame = (_now, data) => {
      lead.requestVideoFrameCallback(onFrame);
      if (lead.paused) { return; }
      wanted = Math.max(0, Math.min(last, Math.round(data.mediaTime * media.rates[0])));
      const second = show(wanted);
      follower.playbackRate = Math.max(0.0625, Math.min(16, pace(wanted)));
      if (Math.abs(follower.currentTime - at(second, 1)) > 2 / media.rates[1]) { follower.currentTime = at(second, 1); }
      if (wanted >= last) { pause(); go(last); }
    };
    if ("requestVideoFrameCallback" in lead) { lead.requestVideoFrameCallback(onFrame); }
    else { play.disabled = true; play.title = "this browser does not tell which frame it shows"; }
    lead.addEventListener("ended", () => { pause(); go(last); });
    play.addEventListener("click", () => {
      if (!lead.paused) { pause(); go(wanted); return; }
      if (wanted >= last) { go(0); }
      play.textContent = "Pause";
      lead.play().catch(pause);
      follower.play().catch(() => {});
    });
    control("back").addEventListener("click", () => { pause(); go(wanted - 1); });
    control("forth").addEventListener("click", () => { pause(); go(wanted + 1); });
    seek.addEventListener("input", () => { pause(); go(Number(seek.value)); });
    wipe.addEventListener("input", () => stage.style.setProperty("--wipe", `${wipe.value}%`));
    all("[data-jump]", player).forEach((button) => button.addEventListener("click", () => { pause(); go(Number(button.dataset.jump)); }));
    all("[data-mode]", player).forEach((button) => button.addEventListener("click", () => {
      stage.className = `stage ${button.dataset.mode}`;
      wipe.hidden = button.dataset.mode !== "wipe";
      all("[data-mode]", player).forEach((other) => other.setAttribute("aria-pressed", other === button));
    }));
    lead.addEventListener("loadeddata", () => { if (wanted === 0) { go(0); } }, { once: true });
  });
})();
