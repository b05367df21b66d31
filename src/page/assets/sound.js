// A sound to look at and to play: waveform, windows, spectrogram, playhead.

const GUTTER = 46;
const WAVE = 84;
const STRIP = 16;
const SCALE = 22;

/** What a sound looks like and how it is played; `windows` are those of the audit. */
function soundFigure(id, sound, windows) {
  const canvas = el("canvas", { class: "sound-canvas", role: "img", "aria-label":
    `Waveform and spectrogram of ${sound.name}, ${fixed(sound.seconds, 1)} seconds.${spoken(windows)}` });
  const head = el("div", { class: "playhead", "aria-hidden": "true" });
  const stage = el("div", { class: "stage" }, canvas, head);
  const peaks = new Int8Array(bytesOf(sound.peaks).buffer);
  const columns = bytesOf(sound.columns);
  drawn(canvas, (context, width, height) => drawSound(context, width, height, sound, peaks, columns, windows));
  return el("figure", { class: "sound", id }, stage, player(sound, stage, head));
}

function spoken(windows) {
  const best = loudest(windows);
  return best ? ` The window from ${fixed(best.start, 1)} to ${fixed(best.end, 1)} seconds spoke.` : "";
}

/** The window that spoke: the one that the caption's prefix is nearest to. */
function loudest(windows) {
  return windows.length < 2 ? null : windows.reduce((best, window) => (window.support > best.support ? window : best));
}

function drawSound(context, width, height, sound, peaks, columns, windows) {
  const [ink, faint, rule, accent, paper] = ["ink", "faint", "rule", "accent", "raised"].map(colour);
  const across = (seconds) => GUTTER + (seconds / sound.seconds) * (width - GUTTER);
  const strip = windows.length > 1 ? STRIP : 0;
  context.clearRect(0, 0, width, height);
  drawWindows(context, across, windows, strip, accent);
  drawWave(context, width, strip, peaks, ink);
  const top = strip + WAVE + 10;
  const tall = height - top - SCALE;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(spectrogram(sound, columns, paper, accent, ink), GUTTER, top, width - GUTTER, tall);
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = css(faint);
  drawHertz(context, sound.bands, top, tall);
  drawSeconds(context, sound.seconds, across, top + tall, width, rule, faint);
}

function drawWindows(context, across, windows, strip, accent) {
  if (!strip) return;
  const best = loudest(windows);
  const supports = windows.map(({ support }) => support);
  const [low, high] = [Math.min(...supports), Math.max(...supports)];
  for (const window of windows) {
    const share = high > low ? (window.support - low) / (high - low) : 1;
    const [from, to] = [across(window.start), across(window.end)];
    context.fillStyle = css(accent, 0.12 + 0.5 * share);
    context.fillRect(from + 0.5, 0, Math.max(to - from - 1, 1), strip - 8);
    if (window === best) {
      context.fillStyle = css(accent, 0.09);
      context.fillRect(from, strip - 4, to - from, WAVE + 4);
    }
  }
}

function drawWave(context, width, top, peaks, ink) {
  const middle = top + WAVE / 2;
  const count = peaks.length / 2;
  const step = (width - GUTTER) / count;
  context.fillStyle = css(ink, 0.82);
  for (let i = 0; i < count; i += 1) {
    const low = (peaks[2 * i] / 127) * (WAVE / 2);
    const high = (peaks[2 * i + 1] / 127) * (WAVE / 2);
    context.fillRect(GUTTER + i * step, middle - high, Math.max(step, 0.6), Math.max(high - low, 0.8));
  }
}

/** The spectrogram as an image of a pixel a value, from the paper over the accent to the ink. */
function spectrogram(sound, columns, paper, accent, ink) {
  const bands = sound.bands.length;
  const count = columns.length / bands;
  const image = new ImageData(Math.max(count, 1), bands);
  // What a tenth of the sound is quieter than is paper: steady noise leaves room for what stands out of it.
  const floor = Math.min(Uint8Array.from(columns).sort()[Math.floor(columns.length / 10)] || 0, 200);
  const table = Array.from({ length: 256 }, (_, value) => {
    const share = Math.max(0, (value - floor) / (255 - floor)) ** 1.5;
    return share < 0.5 ? mixed(paper, accent, share / 0.5) : mixed(accent, ink, (share - 0.5) / 0.5);
  });
  for (let column = 0; column < count; column += 1) {
    for (let band = 0; band < bands; band += 1) {
      const at = 4 * ((bands - 1 - band) * count + column);
      const [red, green, blue] = table[columns[column * bands + band]];
      image.data.set([red, green, blue, 255], at);
    }
  }
  const still = document.createElement("canvas");
  still.width = image.width;
  still.height = image.height;
  still.getContext("2d").putImageData(image, 0, 0);
  return still;
}

function drawHertz(context, bands, top, tall) {
  context.textAlign = "right";
  for (const hertz of [125, 500, 1000, 2000, 4000, 8000]) {
    if (hertz < bands[0] || hertz > bands[bands.length - 1]) continue;
    const above = bands.findIndex((middle) => middle >= hertz);
    const y = top + tall - ((above + 0.5) / bands.length) * tall;
    context.fillText(hertz >= 1000 ? `${hertz / 1000} kHz` : `${hertz} Hz`, GUTTER - 7, y + 4);
  }
}

function drawSeconds(context, seconds, across, bottom, width, rule, faint) {
  const rough = seconds / Math.max((width - GUTTER) / 90, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digits) => digits * power).find((size) => size >= rough);
  context.textAlign = "center";
  for (let at = 0; at <= seconds + 1e-9; at += step) {
    context.fillStyle = css(rule);
    context.fillRect(across(at) - 0.5, bottom, 1, 5);
    context.fillStyle = css(faint);
    const label = `${Number(at.toFixed(3))} s`;
    if (across(at) < width - 12) context.fillText(label, Math.max(across(at), GUTTER + 6), bottom + 18);
  }
}

function player(sound, stage, head) {
  const move = (seconds) => {
    head.style.left = `calc(${GUTTER}px + (100% - ${GUTTER}px) * ${sound.seconds ? seconds / sound.seconds : 0})`;
  };
  move(0);
  if (!sound.media) return el("figcaption", { class: "about" }, sound.silent || "There is nothing to play.");
  const audio = el("audio", { preload: "auto" });
  audio.src = URL.createObjectURL(new Blob([bytesOf(sound.media.bytes)], { type: sound.media.kind }));
  const button = el("button", { type: "button", class: "play" }, "Play");
  const clock = el("span", { class: "number clock" });
  const seek = el("input", { type: "range", min: 0, max: sound.seconds, step: 0.01, value: 0, "aria-label": "Position in the sound" });
  const show = () => {
    move(audio.currentTime);
    seek.value = audio.currentTime;
    seek.setAttribute("aria-valuetext", `${fixed(audio.currentTime, 1)} of ${fixed(sound.seconds, 1)} seconds`);
    clock.textContent = `${time(audio.currentTime)} / ${time(sound.seconds)}`;
  };
  const follow = () => {
    show();
    if (!audio.paused && !calm.matches) requestAnimationFrame(follow);
  };
  const toggle = () => (audio.paused ? audio.play() : audio.pause());
  const to = (seconds) => { audio.currentTime = Math.max(0, Math.min(sound.seconds, seconds)); show(); };
  button.addEventListener("click", toggle);
  seek.addEventListener("input", () => to(Number(seek.value)));
  stage.addEventListener("click", (event) => {
    const box = stage.getBoundingClientRect();
    to(((event.clientX - box.left - GUTTER) / (box.width - GUTTER)) * sound.seconds);
  });
  audio.addEventListener("play", () => { button.textContent = "Pause"; follow(); });
  audio.addEventListener("pause", () => { button.textContent = "Play"; });
  audio.addEventListener("timeupdate", show);
  stage.classList.add("playable");
  show();
  return el("figcaption", { class: "player" }, button, seek, clock, audio);
}
