// The first panel: a drawing, what each network reads in it, and what each would like to see.

const drawing = {pixels: new Float32Array(PIXELS), source: {kind: "drawing"}, past: []};
const pointer = {tool: "pen", at: null, cursor: {x: 14, y: 14}, byKey: false, down: null, edited: false};
const wishes = {classes: [0, 0], maps: NETWORKS.map(() => [new Float32Array(PIXELS), new Float32Array(PIXELS)])};
const MOST_PAST = 50;
const bars = [], maps = [];

function buildDraw() {
  for (const [number, net] of NETWORKS.entries()) {
    const rows = net.names.map(name => {
      const bar = make("i"), said = make("span", {class: "said"});
      return {bar, said, row: make("div", {class: "row"}, make("span", {class: "name"}, name), make("span", {class: "track"}, bar), said)};
    });
    const verdict = make("p", {class: "reading"});
    const chart = make("div", {class: "chart", role: "img"}, ...rows.map(({row}) => row));
    bars.push({rows, verdict, chart});
    $("bars").append(make("div", {class: `net net${number}`}, make("h3", {}, ...heading(net, number)), make("p", {class: "hint kind"}, net.rejects ? `may also say “none”` : `says one of ${NAMES.length}`), verdict, chart));

    const pair = [0, 1].map(() => {
      const canvas = picture(""), mark = make("i", {class: "mark", hidden: true}), caption = make("figcaption");
      follow(canvas);
      return {canvas, mark, caption, figure: make("figure", {}, make("div", {class: "slate"}, canvas, mark), caption)};
    });
    const scale = make("p", {class: "hint scale"});
    maps.push({pair, scale});
    $("maps").append(make("div", {class: `net net${number}`, role: "group", "aria-label": net.name},
      make("h3", {}, ...heading(net, number)), make("div", {class: "pair"}, ...pair.map(({figure}) => figure)), scale));
  }
  const ofClass = NAMES.map((_, label) => EXAMPLES.map((_, i) => i).filter(i => EXAMPLES[i].label === label));
  for (const [label, some] of ofClass.entries()) {
    if (!some.length) continue;
    const canvas = picture(""), button = make("button", {type: "button", class: "picture", "aria-label": `${withArticle(NAMES[label])} of the test images`}, canvas);
    canvas.removeAttribute("role");
    show(canvas, EXAMPLES[some[0]].pixels);
    let next = 0;
    button.onclick = () => {
      put(EXAMPLES[some[next]].pixels, {kind: "example", index: some[next]});
      next = (next + 1) % some.length;
      show(canvas, EXAMPLES[some[next]].pixels);
    };
    $("examples").append(button);
  }
  const random = make("button", {type: "button"}, "Noise");
  random.onclick = () => { const seed = Math.floor(Math.random() * 10000); put(noise(seed), {kind: "noise", seed}); };
  $("examples").append(random);
  for (const [k, id] of ["first", "second"].entries())
    $(id).onchange = event => { wishes.classes[k] = +event.target.value; update(); changed(); };
  for (const tool of ["pen", "rubber"]) $(tool).onclick = () => take(tool);
  $("undo").onclick = undo;
  $("clear").onclick = () => put(new Float32Array(PIXELS), {kind: "drawing"});
  $("centre").onclick = () => put(centred(drawing.pixels), {kind: "drawing"});
  listen($("slate"));
}

function take(tool) {
  pointer.tool = tool;
  for (const each of ["pen", "rubber"]) $(each).setAttribute("aria-pressed", String(each === tool));
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

function follow(canvas) {  // the pixel under the pointer, on whichever picture
  canvas.addEventListener("pointermove", event => pointAt(placeOf(event, canvas)));
  canvas.addEventListener("pointerleave", () => pointAt(pointer.byKey ? pointer.cursor : null));
}

function pointAt(place) {
  pointer.at = place && {x: clamp(Math.round(place.x), 0, SIDE - 1), y: clamp(Math.round(place.y), 0, SIDE - 1)};
  showPixel();
}

function listen(slate) {
  follow(slate);
  slate.addEventListener("pointerdown", event => {
    if (event.button) return;
    slate.setPointerCapture(event.pointerId);
    keep();
    pointer.down = placeOf(event, slate);
    stroke(pointer.down, pointer.down, pointer.tool);
  });
  slate.addEventListener("pointermove", event => {
    if (!pointer.down) return;
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
  const off = DATA.digits && drawing.source.kind === "drawing" && isOff(drawing.pixels);
  $("offer").textContent = off ? "This is not in the middle, or of an unusual size: Centre brings it where the networks know digits." : "";
  $("centre").classList.toggle("main", off);
  $("undo").disabled = !drawing.past.length;
  const said = update();
  for (const [number, {chart}] of bars.entries()) {
    const {name, names} = NETWORKS[number], sure = [...said[number].keys()].sort((a, b) => said[number][b] - said[number][a]);
    chart.setAttribute("aria-label", `${name}: ${sure.slice(0, 3).map(k => `${names[k]} ${percent(said[number][k])}`).join(", ")}`);
  }
  const readings = NETWORKS.map((net, number) => `${net.name} reads ${reading(net.names, said[number])}`).join("; ");
  $("slate").setAttribute("aria-label", `Drawing, 28 by 28 pixels: ${readings}`);
  say(readings);
  drawingChanged();
  changed();
}

function update() {
  const {pixels} = drawing, said = [];
  show($("slate"), pixels);
  for (const [number, net] of NETWORKS.entries()) {
    const probabilities = look(net, pixels), {rows, verdict} = bars[number], best = likeliest(probabilities);
    said.push(probabilities);
    rows.forEach(({row, bar, said}, k) => {
      bar.style.transform = `scaleX(${probabilities[k]})`;
      said.textContent = probabilities[k] >= 0.005 ? percent(probabilities[k]) : "";
      row.classList.toggle("best", k === best);
    });
    verdict.textContent = reading(net.names, probabilities);
    let limit = 0;
    for (const [k, label] of wishes.classes.entries()) {
      wishes.maps[number][k].set(gradient(net, pixels, ofLogit, label));
      for (const value of wishes.maps[number][k]) limit = Math.max(limit, Math.abs(value));
    }
    for (const [k, label] of wishes.classes.entries()) {
      const values = wishes.maps[number][k], {canvas, caption} = maps[number].pair[k];
      paint(canvas, i => diverging(limit && values[i] / limit, pixels[i]));
      caption.textContent = `more of ${withArticle(NAMES[label])}`;
      canvas.setAttribute("aria-label", `What would make it more of ${withArticle(NAMES[label])} to ${net.name}`);
    }
    maps[number].scale.textContent = `strongest: ±${limit.toPrecision(2)}`;
  }
  showPixel();
  return said;
}

function showPixel() {
  for (const mark of [...document.querySelectorAll("#draw .mark")]) {
    mark.hidden = !pointer.at;
    if (pointer.at) { mark.style.left = `${pointer.at.x / SIDE * 100}%`; mark.style.top = `${pointer.at.y / SIDE * 100}%`; }
  }
  if (!pointer.at) { $("pixel").textContent = "Point at a pixel to see its numbers."; return; }
  const {x, y} = pointer.at, i = y * SIDE + x;
  const numbers = NETWORKS.map((net, number) => `${net.name}: `
    + wishes.classes.map((label, k) => `${NAMES[label]} ${signed(wishes.maps[number][k][i])}`).join(", "));
  $("pixel").textContent = `Row ${y + 1}, column ${x + 1}, ${Math.round(drawing.pixels[i] * 100)} % white. ${numbers.join("; ")}`;
}
