// What the parts of the page share: what it holds, its networks, how things are made, shown and said.

const SIDE = 28, PIXELS = SIDE * SIDE;
const DATA = JSON.parse(document.getElementById("data").textContent);
const NAMES = DATA.names;
const NETWORKS = DATA.classifiers.map(({name, rejects, network: chain}) => (
  {name, rejects, names: rejects ? [...NAMES, "none"] : NAMES, chain: network(chain, PIXELS), seen: null, logits: null}));
const EXAMPLES = DATA.examples.labels.map((label, i) => (
  {label, number: DATA.examples.numbers[i], pixels: fromBytes(fromBase64(DATA.examples.images), i)}));

const $ = id => document.getElementById(id);
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const dark = matchMedia("(prefers-color-scheme: dark)");
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function fromBytes(bytes, number) {
  return Float32Array.from(bytes.subarray(number * PIXELS, (number + 1) * PIXELS), byte => byte / 255);
}

const call = (element, name) => element.setAttribute("aria-label", name);  // for those who hear the page
const say = text => { $("said").textContent = text; };  // to them

function make(what, properties = {}, ...children) {  // what: "tag" or "tag.class"
  const [tag, style = ""] = what.split("."), element = Object.assign(document.createElement(tag), properties, {className: style});
  element.append(...children);
  return element;
}

function picture(name) {
  const canvas = make("canvas", {width: SIDE, height: SIDE});
  if (name === undefined) return canvas;
  canvas.setAttribute("role", "img");
  call(canvas, name);
  return canvas;
}

function choices(select, names, chosen) {
  select.replaceChildren(...names.map((name, k) => make("option", {value: k, selected: k === chosen}, name)));
}

// A network's part of a panel, under its name.
function part(where, number, ...children) {
  const {name} = NETWORKS[number], box = make(`div.net net${number}`, {}, make("h3", {}, ...heading(name, number)), ...children);
  box.setAttribute("role", "group");
  call(box, name);
  $(where).append(box);
}

// What a network says of an image. Whoever wants a gradient asks for it before the network has seen another image.
function look(net, image) {
  net.logits = net.chain.forward(image);
  net.seen = image;
  return softmax(net.logits);
}

function gradient(net, image, objective, target) {
  if (net.seen !== image) look(net, image);
  return net.chain.backward(objective(net.logits, target));
}

// Uniform noise that is the same everywhere for the same seed (mulberry32).
function noise(seed) {
  let state = seed >>> 0;
  return Float32Array.from({length: PIXELS}, () => {
    state = state + 0x6D2B79F5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  });
}

function paint(canvas, colour) {  // colour(i) gives red, green and blue of a pixel
  const context = canvas.getContext("2d"), data = context.createImageData(SIDE, SIDE);
  for (let i = 0; i < PIXELS; i++) {
    const [r, g, b] = colour(i);
    data.data[4 * i] = r; data.data[4 * i + 1] = g; data.data[4 * i + 2] = b; data.data[4 * i + 3] = 255;
  }
  context.putImageData(data, 0, 0);
}

const show = (canvas, pixels) => paint(canvas, i => [255 * pixels[i], 255 * pixels[i], 255 * pixels[i]]);

// Colours around 0: what is against in red, what is for in blue (ColorBrewer's RdBu), as in all of fooling's pictures.
const SCALES = {
  light: [[[255, 255, 255], [214, 96, 77], [103, 0, 31]], [[255, 255, 255], [67, 147, 195], [5, 48, 97]]],
  dark: [[[24, 27, 31], [196, 78, 62], [253, 219, 199]], [[24, 27, 31], [50, 125, 178], [209, 229, 240]]],
};
function diverging(value, backdrop) {  // value from -1 to 1; backdrop, from 0 to 1, is what shines through
  const [zero, middle, end] = SCALES[dark.matches ? "dark" : "light"][+(value > 0)], size = Math.min(1, Math.abs(value));
  const through = 0.15 * backdrop * (dark.matches ? 255 : -255);
  const [from, to, t] = size < 0.5 ? [zero, middle, 2 * size] : [middle, end, 2 * size - 1];
  return from.map((c, k) => c + (to[k] - c) * t + through * (1 - size));
}

const heading = (name, number) => [make(`i.dot net${number}`), make("b", {}, name)];

// Calls it at the next frame, once, however often it was asked for until then.
function atNextFrame(callback) {
  let asked = false;
  return () => {
    if (!asked) requestAnimationFrame(() => { asked = false; callback(); });
    asked = true;
  };
}

// Calls it at every frame for as long as it says that there is more.
function atEachFrame(more, done) {
  requestAnimationFrame(now => { if (more(now)) atEachFrame(more, done); else done(); });
}

// Does a long computation in slices, so that the page stays alive: `more` does a bit, and says whether there is more.
function inSlices(more, done) {
  const slice = () => {
    for (const end = performance.now() + 12; performance.now() < end;) if (!more()) return done();
    setTimeout(slice);
  };
  slice();
}
