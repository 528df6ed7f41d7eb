// Pictures and films of climbs, to keep: a PNG, and a GIF in 64 greys, both as on paper.

// A title and rows of images, each with words above and below.
function sheet(title, rows, size) {
  const gap = 14, wide = Math.max(3, ...rows.map(row => row.length)) * (size + gap) + gap;
  const canvas = make("canvas", {width: wide, height: 36 + rows.length * (size + 54)}), context = canvas.getContext("2d");
  const write = (text, x, y, font, room) => {
    context.font = `${font}px system-ui, sans-serif`;
    context.fillText(text, x, y, room);
  };
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#222";
  context.textAlign = "center";
  context.imageSmoothingEnabled = false;
  write(title, wide / 2, 25, "bold 15", wide - 2 * gap);
  rows.forEach((row, down) => row.forEach(({pixels, above, below}, across) => {
    const left = (wide - row.length * (size + gap) + gap) / 2 + across * (size + gap), top = 60 + down * (size + 54);
    const small = picture();
    show(small, pixels);
    context.drawImage(small, left, top, size, size);
    write(above, left + size / 2, top - 6, 12, size);
    write(below, left + size / 2, top + size + 18, "bold 13", size);
  }));
  return canvas;
}

const cell = (track, k) => (
  {pixels: track.images[k], above: `${track.name}, step ${k}`, below: reading(track.names, track.probabilities[k])});
const titleOf = ({what, target}) => `${capital(what)}, climbed to ${withArticle(NAMES[target])}`;

function strip(tracks) {  // at most seven images of each, at round steps
  return sheet(titleOf(tracks[0]), tracks.map(track => {
    const last = stepsOf(track), every = Math.ceil(last / 6), unit = every <= 10 ? 1 : every <= 50 ? 5 : 50;
    return [...upTo(last, Math.max(1, Math.ceil(every / unit) * unit)), last].map(k => cell(track, k));
  }), 112);
}

function* upTo(last, every) {
  for (let k = 0; k < last; k += every) yield k;
}

// All tracks take their steps together, in about four seconds, and rest on the last.
function gifOf(title, tracks) {
  const last = Math.max(...tracks.map(stepsOf)), steps = [...upTo(last, Math.ceil(last / 40)), last];
  const frames = steps.map(step => sheet(title, [tracks.map(track => cell(track, Math.min(step, stepsOf(track))))], 168));
  return gif(frames, Math.round(100 / clamp(frames.length / 4, 2, 20)), 200);
}

const GREYS = 6;  // bits of a pixel

// Canvases of one size as a GIF that plays for ever. delay, hold: hundredths of a second, of each, of the last.
function gif(frames, delay, hold) {
  const {width, height} = frames[0], bytes = [];
  const put = (...parts) => {
    for (const part of parts) bytes.push(...typeof part === "string" ? [...part].map(letter => letter.charCodeAt(0)) : [part]);
  };
  const size = [width & 255, width >> 8, height & 255, height >> 8];
  put("GIF89a", ...size, 0xf0 | GREYS - 1, 0, 0);
  for (let k = 0; k < 192; k++) put(Math.round(255 * Math.floor(k / 3) / 63));
  put(0x21, 0xff, 11, "NETSCAPE2.0", 3, 1, 0, 0, 0);
  frames.forEach((canvas, k) => {
    const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
    const codes = lzw(Uint8Array.from({length: width * height}, (_, i) => data[4 * i] >> 8 - GREYS));
    put(0x21, 0xf9, 4, 4, k === frames.length - 1 ? hold : delay, 0, 0, 0, 0x2c, 0, 0, 0, 0, ...size, 0, GREYS);
    for (let i = 0; i < codes.length; i += 255) put(Math.min(255, codes.length - i), ...codes.slice(i, i + 255));
    put(0);
  });
  put(0x3b);
  return Uint8Array.from(bytes);
}

function lzw(pixels) {  // the compression of GIF: a code for every string of pixels met before, wider as they get more
  const clear = 1 << GREYS, codes = new Uint16Array(4096 << GREYS), out = [];
  let next = clear + 2, width = GREYS + 1, held = 0, bits = 0, code = pixels[0];
  const put = code => {
    held |= code << bits;
    for (bits += width; bits >= 8; bits -= 8, held >>>= 8) out.push(held & 255);
  };
  put(clear);
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
  return [...out, held];
}

function download(blob, name) {
  const link = make("a", {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const downloadFilm = (title, tracks, name) => download(new Blob([gifOf(title, tracks)], {type: "image/gif"}), `${name}.gif`);

function buildSave() {
  const name = () => `climb-to-${film.target}`;
  $("save-picture").onclick = () => strip(film.tracks).toBlob(blob => download(blob, `${name()}.png`));
  $("save-film").onclick = () => downloadFilm(titleOf(film.tracks[0]), film.tracks, name());
}
