// The first panel: a drawing, what each network reads in it, and what each would like to see.

const drawing = {pixels: new Float32Array(PIXELS), source: {kind: "drawing"}, past: []};
const pointer = {tool: "pen", at: null, cursor: {x: 14, y: 14}, byKey: false, down: null, edited: false};
const wishes = {classes: [0, 0], maps: NETWORKS.map(() => [new Float32Array(PIXELS), new Float32Array(PIXELS)])};
const MOST_PAST = 50;
const bars = [], maps = [], marks = [];

function buildDraw() {
  for (const [number, net] of NETWORKS.entries()) {
    const rows = net.names.map(name => make("div.row", {}, make("span", {}, name), make("span.track", {}, make("i")), make("span.hint")));
    const verdict = make("p.reading"), chart = make("div", {}, ...rows);
    chart.setAttribute("role", "img");
    part("bars", number, make("p.hint", {}, net.rejects ? "may also say “none”" : `says one of ${NAMES.length} ${DATA.digits ? "digits" : "classes"}`), verdict, chart);
    bars.push({rows, verdict, chart});
    const pair = [0, 1].map(() => ({canvas: picture(""), caption: make("figcaption")})), scale = make("p.hint");
    part("maps", number, make("div.pair", {}, ...pair.map(({canvas, caption}) => make("figure", {}, marked(canvas), caption))), scale);
    maps.push({pair, scale});
  }
  for (const [label, name] of NAMES.entries()) {
    const some = EXAMPLES.filter(example => example.label === label), small = picture(), button = make("button.picture", {type: "button"}, small);
    if (!some.length) continue;
    call(button, `${withArticle(name)} of the test images`);
    show(small, some[0].pixels);
    button.onclick = () => {  // in turns
      put(some[0].pixels, {kind: "example", index: EXAMPLES.indexOf(some[0])});
      some.push(some.shift());
      show(small, some[0].pixels);
    };
    $("examples").append(button);
  }
  $("noise").onclick = () => { const seed = Math.floor(Math.random() * 10000); put(noise(seed), {kind: "noise", seed}); };
  for (const [k, id] of ["first", "second"].entries())
    $(id).onchange = () => { wishes.classes[k] = +$(id).value; update(); changed(); };
  for (const tool of ["pen", "rubber"])
    $(tool).onclick = () => {
      pointer.tool = tool;
      for (const each of ["pen", "rubber"]) $(each).setAttribute("aria-pressed", each === tool);
    };
  $("undo").onclick = undo;
  $("clear").onclick = () => put(new Float32Array(PIXELS), {kind: "drawing"});
  $("centre").onclick = () => put(centred(drawing.pixels), {kind: "drawing"});
  $("slate").parentElement.prepend(marked($("slate")));
  listen($("slate"));
}

// A picture of the drawing's pixels, on which the one that is pointed at is marked.
function marked(canvas) {
  const mark = make("i.mark", {hidden: true});
  marks.push(mark);
  canvas.addEventListener("pointermove", event => pointAt(placeOf(event, canvas)));
  canvas.addEventListener("pointerleave", () => pointAt(pointer.byKey ? pointer.cursor : null));
  return make("div.slate", {}, canvas, mark);
}

// ---- What is drawn

function keep() {
  drawing.past.push({pixels: drawing.pixels.slice(), source: drawing.source});
  if (drawing.past.length > MOST_PAST) drawing.past.shift();
}

function put(pixels, source) {
  keep();
  drawing.pixels.set(pixels);
  drawing.source = source;
  settle();
}

function undo() {
  const before = drawing.past.pop();
  if (!before) return;
  drawing.pixels.set(before.pixels);
  drawing.source = before.source;
  settle();
}

const whatIsDrawn = () => {
  const {kind, index} = drawing.source;
  if (kind !== "example") return kind === "noise" ? "uniform noise" : "your drawing";
  return `${withArticle(NAMES[EXAMPLES[index].label])} (test image ${EXAMPLES[index].number})`;
};

// A stroke of the tool from one place to another, in pixels, with soft edges.
function stroke(a, b, tool) {
  const length = (b.x - a.x) ** 2 + (b.y - a.y) ** 2, reach = tool === "pen" ? 2 : 3, soft = 1.15;
  for (let y = 0, i = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++, i++) {
    const t = length ? clamp(((x - a.x) * (b.x - a.x) + (y - a.y) * (b.y - a.y)) / length, 0, 1) : 0;
    const distance = Math.hypot(x - a.x - t * (b.x - a.x), y - a.y - t * (b.y - a.y));
    const ink = clamp((reach - distance) / soft, 0, 1);
    drawing.pixels[i] = tool === "pen" ? Math.max(drawing.pixels[i], ink) : Math.min(drawing.pixels[i], 1 - ink);
  }
  drawing.source = {kind: "drawing"};
  redraw();
}

// Where the ink is: its box, its centre of mass, how much there is; null where there is none.
function inkOf(pixels) {
  let sum = 0, cx = 0, cy = 0, left = SIDE, right = -1, top = SIDE, bottom = -1;
  for (let i = 0; i < PIXELS; i++) {
    const x = i % SIDE, y = i / SIDE | 0, ink = pixels[i];
    sum += ink; cx += ink * x; cy += ink * y;
    if (ink > 0.1) { left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y); }
  }
  return right < 0 ? null : {sum, x: cx / sum, y: cy / sum, left, top, width: right - left + 1, height: bottom - top + 1};
}

const MIDDLE = SIDE / 2;  // where MNIST has the centre of mass
function isOff(pixels) {
  const ink = inkOf(pixels);
  if (!ink) return false;
  const longest = Math.max(ink.width, ink.height);
  return Math.hypot(ink.x - MIDDLE, ink.y - MIDDLE) > 2 || longest < 14 || longest > 22;
}

// As MNIST was made: the longest side 20 pixels, the centre of mass in the middle.
function centred(pixels) {
  const ink = inkOf(pixels), result = new Float32Array(PIXELS);
  if (!ink) return result;
  const scale = 20 / Math.max(ink.width, ink.height), fine = 4;
  const at = (x, y) => x < 0 || y < 0 || x >= SIDE || y >= SIDE ? 0 : pixels[y * SIDE + x];
  for (let i = 0; i < PIXELS; i++) {
    let sum = 0;
    for (let k = 0; k < fine * fine; k++) {  // the mean of the pixel, which is between pixels of the drawing
      const x = (i % SIDE + (k % fine + 0.5) / fine - 0.5 - MIDDLE) / scale + ink.x;
      const y = ((i / SIDE | 0) + ((k / fine | 0) + 0.5) / fine - 0.5 - MIDDLE) / scale + ink.y;
      const x0 = Math.floor(x), y0 = Math.floor(y), u = x - x0, v = y - y0;
      sum += (1 - v) * ((1 - u) * at(x0, y0) + u * at(x0 + 1, y0)) + v * ((1 - u) * at(x0, y0 + 1) + u * at(x0 + 1, y0 + 1));
    }
    result[i] = sum / fine ** 2;
  }
  return result;
}

// ---- By hand: mouse, pen, finger and keys

function placeOf(event, canvas) {
  const box = canvas.getBoundingClientRect();
  return {x: (event.clientX - box.left) / box.width * SIDE - 0.5, y: (event.clientY - box.top) / box.height * SIDE - 0.5};
}

function pointAt(place) {
  pointer.at = place && {x: clamp(Math.round(place.x), 0, SIDE - 1), y: clamp(Math.round(place.y), 0, SIDE - 1)};
  showPixel();
}

function listen(slate) {
  slate.addEventListener("pointerdown", event => {
    if (event.button || !event.isPrimary) return;
    slate.setPointerCapture(event.pointerId);
    keep();
    pointer.down = placeOf(event, slate);
    stroke(pointer.down, pointer.down, pointer.tool);
  });
  slate.addEventListener("pointermove", event => {
    if (!pointer.down || !event.isPrimary) return;
    const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const each of all.length ? all : [event]) {
      const place = placeOf(each, slate);
      stroke(pointer.down, place, pointer.tool);
      pointer.down = place;
    }
  });
  for (const name of ["pointerup", "pointercancel"])
    slate.addEventListener(name, () => { if (pointer.down) { pointer.down = null; settle(); } });

  const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const edit = (from, to, tool) => {
    if (!pointer.edited) keep();
    pointer.edited = true;
    stroke(from, to, tool);
  };
  slate.addEventListener("keydown", event => {
    const before = pointer.cursor, arrow = ARROWS[event.key];
    if (arrow) {
      pointer.cursor = {x: clamp(before.x + arrow[0], 0, SIDE - 1), y: clamp(before.y + arrow[1], 0, SIDE - 1)};
      if (event.shiftKey) edit(before, pointer.cursor, pointer.tool);
    } else if (event.key === " ") edit(before, before, pointer.tool);
    else if (event.key === "Backspace" || event.key === "Delete") edit(before, before, "rubber");
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
    else return;
    event.preventDefault();
    pointer.byKey = true;
    pointAt(pointer.cursor);
  });
  slate.addEventListener("keyup", () => { if (pointer.edited) { pointer.edited = false; settle(); } });
  slate.addEventListener("blur", () => { pointer.byKey = false; pointAt(null); });
}

// ---- What is seen of it

const redraw = atNextFrame(update);

// When the pen is lifted: the drawing is rounded to the sixteen greys that the page's address has room for.
function settle() {
  if (drawing.source.kind === "drawing") drawing.pixels.forEach((ink, i) => { drawing.pixels[i] = Math.round(ink * 15) / 15; });
  const off = DATA.digits && drawing.source.kind === "drawing" && isOff(drawing.pixels), said = update();
  $("offer").textContent = off ? "Off the middle, or of an unusual size: Centre puts it where the networks know digits." : "";
  $("centre").classList.toggle("main", off);
  $("undo").disabled = !drawing.past.length;
  const readings = NETWORKS.map(({name, names}, number) => {
    const sure = [...names.keys()].sort((a, b) => said[number][b] - said[number][a]).slice(0, 3);
    call(bars[number].chart, sure.map(k => `${names[k]} ${percent(said[number][k])}`).join(", "));
    return `${name} reads ${reading(names, said[number])}`;
  }).join("; ");
  call($("slate"), `Drawing, 28 by 28 pixels: ${readings}`);
  say(readings);
  if (film.from === "drawing") begin();
  changed();
}

function update() {
  const {pixels} = drawing, said = [];
  show($("slate"), pixels);
  for (const [number, net] of NETWORKS.entries()) {
    const probabilities = look(net, pixels), {rows, verdict} = bars[number], best = likeliest(probabilities);
    said.push(probabilities);
    rows.forEach((row, k) => {
      row.children[1].firstChild.style.transform = `scaleX(${probabilities[k]})`;
      row.lastChild.textContent = probabilities[k] >= 0.005 ? percent(probabilities[k]) : "";
      row.firstChild.className = k === best ? "best" : "";
    });
    verdict.textContent = reading(net.names, probabilities);
    let limit = 0;
    for (const [k, label] of wishes.classes.entries()) {
      wishes.maps[number][k].set(gradient(net, pixels, ofLogit, label));
      for (const value of wishes.maps[number][k]) limit = Math.max(limit, Math.abs(value));
    }
    for (const [k, label] of wishes.classes.entries()) {
      const values = wishes.maps[number][k], {canvas, caption} = maps[number].pair[k], name = `more of ${withArticle(NAMES[label])}`;
      paint(canvas, i => diverging(limit && values[i] / limit, pixels[i]));
      caption.textContent = name;
      call(canvas, `What would make it ${name}`);
    }
    maps[number].scale.textContent = `strongest: ±${limit.toPrecision(2)}`;
  }
  showPixel();
  return said;
}

function showPixel() {
  const {at} = pointer;
  for (const mark of marks) {
    mark.hidden = !at;
    if (at) Object.assign(mark.style, {left: `${at.x / SIDE * 100}%`, top: `${at.y / SIDE * 100}%`});
  }
  const i = at && at.y * SIDE + at.x, numbers = NETWORKS.map(({name}, number) => `${name}: `
    + wishes.classes.map((label, k) => `${NAMES[label]} ${signed(wishes.maps[number][k][i])}`).join(", "));
  $("pixel").textContent = !at ? "Point at a pixel to see its numbers."
    : `Row ${at.y + 1}, column ${at.x + 1}, ${Math.round(drawing.pixels[i] * 100)} % white. ${numbers.join("; ")}`;
}
