// Videos by frames: one leads, others follow it from keyframe to keyframe.

const at = (frame, media) => (frame + 0.5) / media.fps;

// The place in a follower's video of a frame of the leader's.
function partner(frame, media) {
  const span = media.spans.find(([a]) => frame >= a[0] && frame <= a[1]);
  if (!span) return Math.min(frame, media.frames - 1);
  const [a, b] = span;
  return a[1] === a[0] ? b[0] : b[0] + ((frame - a[0]) * (b[1] - b[0])) / (a[1] - a[0]);
}

// How fast a follower must play to keep beside the leader.
function pace(frame, media, lead) {
  const span = media.spans.find(([a]) => frame >= a[0] && frame < a[1]);
  const share = span ? (span[1][1] - span[1][0]) / (span[0][1] - span[0][0]) : 1;
  return Math.max(0.0625, Math.min(16, (share * lead.fps) / media.fps));
}

// Plays `sides`, each {video, media}; the first one leads. `show(frames)` is called with the frame of each.
export class Player {
  constructor(sides, show) {
    this.sides = sides;
    this.show = show;
    this.frame = 0;
    this.loop = false;
    const { video, media } = sides[0];
    this.video = video;
    this.media = media;
    this.last = media.frames - 1;
    if ("requestVideoFrameCallback" in video) {
      const seen = (_now, data) => {
        video.requestVideoFrameCallback(seen);
        if (!video.paused) this.reached(Math.round(data.mediaTime * media.fps));
      };
      video.requestVideoFrameCallback(seen);
    } else {
      video.addEventListener("timeupdate", () => { if (!video.paused) this.reached(Math.floor(video.currentTime * media.fps)); });
    }
    video.addEventListener("ended", () => this.ended());
    video.addEventListener("loadeddata", () => { if (this.frame === 0) this.go(0); }, { once: true });
  }

  get playing() { return !this.video.paused; }

  reached(frame) {
    this.frame = Math.max(0, Math.min(this.last, frame));
    for (const side of this.sides.slice(1)) {
      const wanted = partner(this.frame, side.media);
      side.video.playbackRate = pace(this.frame, side.media, this.media);
      if (Math.abs(side.video.currentTime - at(wanted, side.media)) > 2 / side.media.fps) side.video.currentTime = at(wanted, side.media);
    }
    this.tell();
    if (this.frame >= this.last) this.ended();
  }

  ended() {
    if (this.loop) {
      this.go(0);
      this.play();
    } else {
      this.pause();
      this.go(this.last);
    }
  }

  go(frame) {
    this.frame = Math.max(0, Math.min(this.last, Math.round(frame)));
    this.video.currentTime = at(this.frame, this.media);
    for (const side of this.sides.slice(1)) side.video.currentTime = at(Math.round(partner(this.frame, side.media)), side.media);
    this.tell();
  }

  step(by) {
    this.pause();
    this.go(this.frame + by);
  }

  // To the next join, or the one before; to the ends where there is none.
  join(way) {
    this.pause();
    const joins = this.media.joins;
    const found = way > 0 ? joins.find((join) => join > this.frame) : joins.findLast((join) => join < this.frame);
    this.go(found ?? (way > 0 ? this.last : 0));
  }

  play() {
    if (this.frame >= this.last) this.go(0);
    for (const { video } of this.sides) video.play().catch(() => this.tell());
    this.tell();
  }

  pause() {
    for (const { video } of this.sides) video.pause();
    this.tell();
  }

  toggle() {
    if (this.playing) this.step(0);
    else this.play();
  }

  tell() {
    this.show(this.sides.map(({ media }, index) => (index ? Math.round(partner(this.frame, media)) : this.frame)), this.playing);
  }
}

// The buttons and keys of a player inside `box`.
export function controls(player, box) {
  const DO = {
    play: () => player.toggle(),
    back: () => player.step(-1),
    on: () => player.step(1),
    "join-back": () => player.join(-1),
    "join-on": () => player.join(1),
    loop: (button) => {
      player.loop = !player.loop;
      button.setAttribute("aria-pressed", String(player.loop));
    },
  };
  box.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) DO[button.dataset.do]?.(button);
    const jump = event.target.closest("button[data-jump]");
    if (jump) {
      player.pause();
      player.go(Number(jump.dataset.jump));
    }
  });
  for (const input of box.querySelectorAll("input[data-do=seek], input[data-do=frame]")) {
    input.addEventListener("input", () => {
      if (input.value === "") return;
      player.pause();
      player.go(Number(input.value));
    });
  }
  const KEYS = {
    " ": () => player.toggle(),
    ArrowLeft: (event) => (event.shiftKey ? player.join(-1) : player.step(-1)),
    ArrowRight: (event) => (event.shiftKey ? player.join(1) : player.step(1)),
  };
  const onKey = (event) => {
    if (!box.isConnected) {
      document.removeEventListener("keydown", onKey);
      return;
    }
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog, pre, .scroll, .strip, .shots")) return;
    if (event.key === " " && event.target.closest("button, a, summary")) return;
    event.preventDefault();
    KEYS[event.key](event);
  };
  document.addEventListener("keydown", onKey);
}
