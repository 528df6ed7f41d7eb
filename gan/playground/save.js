// Pictures and films of climbs, to keep: a PNG, and a GIF in 64 greys, both as on paper.

const GREYS = 6;  // bits of a pixel

const roundSteps = last => {  // at most seven, as in fooling's strips
  const every = Math.ceil(last / 6), unit = every <= 10 ? 1 : every <= 50 ? 5 : 50;
  const apart = Math.max(1, Math.ceil(every / unit) * unit), steps = [];
  for (let k = 0; k < last; k += apart) steps.push(k);
  return [...steps, last];
};

function paper(width, height) {
  const canvas = make("canvas", {width, height}), context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.textAlign = "center";
  const write = (text, x, y, size, weight = 400, room = width) => {
    context.fillStyle = "#222";
    context.font = `${weight} ${size}px system-ui, sans-serif`;
    context.fillText(text, x, y, room);
  };
  const put = (pixels, x, y, size) => {
    const small = make("canvas", {width: SIDE, height: SIDE});
    show(small, pixels);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, x, y, size, size);
  };
  return {canvas, context, write, put};
}

// Each track a row of at most seven of its images. A track: {name, names, images, probabilities}.
function stripOf(title, tracks) {
  const size = 112, gap = 12, columns = Math.max(...tracks.map(t => roundSteps(stepsOf(t)).length));
  const {canvas, write, put} = paper(Math.max(3, columns) * (size + gap) + gap, 44 + tracks.length * (size + 76));
  write(title, canvas.width / 2, 28, 16, 700, canvas.width - 2 * gap);
  for (const [row, track] of tracks.entries()) {
    const top = 44 + row * (size + 76), steps = roundSteps(stepsOf(track));
    write(track.name, canvas.width / 2, top + 18, 14, 700);
    steps.forEach((k, column) => {
      const left = gap + column * (size + gap);
      put(track.images[k], left, top + 44, size);
      write(`step ${k}`, left + size / 2, top + 38, 12, 400, size);
      write(reading(track.names, track.probabilities[k]), left + size / 2, top + size + 60, 12, 400, size);
    });
  }
  return canvas;
}

// A film of about four seconds in which all tracks take their steps together, and rest on the last.
function gifOf(title, tracks) {
  const size = 168, gap = 16, last = Math.max(...tracks.map(stepsOf)), frames = [];
  const every = Math.ceil(Math.max(1, last) / 40), steps = [];
  for (let k = 0; k < last; k += every) steps.push(k);
  for (const step of [...steps, last]) {
    const {canvas, context, write, put} = paper(Math.max(2, tracks.length) * (size + gap) + gap, size + 92);
    const {width, height} = canvas, margin = (width - tracks.length * (size + gap) + gap) / 2;
    write(title, width / 2, 22, 14, 700, width - 2 * gap);
    for (const [column, track] of tracks.entries()) {
      const k = Math.min(step, stepsOf(track)), left = margin + column * (size + gap);
      put(track.images[k], left, 52, size);
      write(`${track.name}, step ${k}`, left + size / 2, 44, 12, 400, size);
      write(reading(track.names, track.probabilities[k]), left + size / 2, size + 74, 14, 700, size);
    }
    const {data} = context.getImageData(0, 0, width, height);
    frames.push({width, height, pixels: Uint8Array.from({length: width * height}, (_, i) => data[4 * i] >> 8 - GREYS)});
  }
  return gif(frames, Math.round(100 / clamp(frames.length / 4, 2, 20)), 200);
}

// Frames {width, height, pixels} as a GIF that plays for ever. delay, hold: hundredths of a second, of each, of the last.
function gif(frames, delay, hold) {
  const {width, height} = frames[0], bytes = [], word = n => bytes.push(n & 255, n >> 8);
  const text = letters => bytes.push(...[...letters].map(letter => letter.charCodeAt(0)));
  text("GIF89a");
  word(width); word(height);
  bytes.push(0xf0 | GREYS - 1, 0, 0);
  for (let k = 0; k < 1 << GREYS; k++) { const grey = Math.round(255 * k / ((1 << GREYS) - 1)); bytes.push(grey, grey, grey); }
  bytes.push(0x21, 0xff, 11);
  text("NETSCAPE2.0");
  bytes.push(3, 1, 0, 0, 0);
  for (const [k, {pixels}] of frames.entries()) {
    bytes.push(0x21, 0xf9, 4, 4);
    word(k === frames.length - 1 ? hold : delay);
    bytes.push(0, 0, 0x2c, 0, 0, 0, 0);
    word(width); word(height);
    bytes.push(0, GREYS);
    const packed = lzw(pixels);
    for (let i = 0; i < packed.length; i += 255) {
      const block = packed.slice(i, i + 255);
      bytes.push(block.length, ...block);
    }
    bytes.push(0);
  }
  bytes.push(0x3b);
  return Uint8Array.from(bytes);
}

function lzw(pixels) {  // the compression of GIF: codes for strings of pixels, longer as there are more of them
  const clear = 1 << GREYS, codes = new Uint16Array(4096 << GREYS), out = [];
  let next = clear + 2, width = GREYS + 1, held = 0, bits = 0;
  const put = code => {
    held |= code << bits;
    for (bits += width; bits >= 8; bits -= 8, held >>>= 8) out.push(held & 255);
  };
  put(clear);
  let code = pixels[0];
  for (let i = 1; i < pixels.length; i++) {
    const key = code << GREYS | pixels[i];
    if (codes[key]) { code = codes[key]; continue; }
    put(code);
    if (next === 4096) {
      put(clear);
      codes.fill(0);
      next = clear + 2;
      width = GREYS + 1;
    } else {
      if (next >= 1 << width) width++;
      codes[key] = next++;
    }
    code = pixels[i];
  }
  put(code);
  put(clear + 1);
  if (bits) out.push(held & 255);
  return out;
}

function download(blob, name) {
  const link = make("a", {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const shownTracks = () => film.tracks.map(track => ({...track, name: track.net.name}));
const titleOf = ({what, target}) => `${capital(what)}, climbed to ${withArticle(NAMES[target])}`;

function buildSave() {
  $("save-picture").onclick = () =>
    stripOf(titleOf(film.tracks[0]), shownTracks()).toBlob(blob => download(blob, `climb-${film.target}.png`));
  $("save-film").onclick = () =>
    download(new Blob([gifOf(titleOf(film.tracks[0]), shownTracks())], {type: "image/gif"}), `climb-${film.target}.gif`);
}
