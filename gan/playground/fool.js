// The second panel: climb each network's log-probability of a class, in lockstep, and look at the film of it.

const SURE = 0.99, MOST_STEPS = 500;
const film = {from: "noise", seed: 0, target: 0, size: 0.02, tracks: [], at: 0, version: 0, playing: false};
const views = [];

function buildFool() {
  for (const [label, name] of NAMES.entries()) {
    const input = make("input", {type: "radio", name: "target", value: String(label)});
    input.onchange = () => { film.target = label; begin(); changed(); };
    $("targets").append(make("label", {}, input, make("span", {}, name)));
  }
  for (const input of document.getElementsByName("from"))
    input.onchange = () => { film.from = input.value; begin(); changed(); };
  $("seed").onchange = () => { film.seed = clamp(Math.round(+$("seed").value) || 0, 0, 9999); begin(); changed(); };
  $("size").oninput = () => { film.size = +$("size").value; begin(); changed(); };
  $("play").onclick = () => film.playing ? pause() : play();
  $("one").onclick = () => { pause(); stepOn(); if (isOver()) finish(); changed(); };
  $("again").onclick = () => { pause(); film.at = 0; showFilm(); changed(); };
  $("step").oninput = () => { pause(); film.at = +$("step").value; showFilm(); changed(); };
  for (const [number, net] of NETWORKS.entries()) {
    const canvas = picture(""), change = picture(`What has been changed for ${net.name}`);
    const verdict = make("p", {class: "reading"}), caption = make("figcaption", {class: "hint"});
    views.push({canvas, change, verdict, caption, line: svg("polyline", {class: `net${number}`}), words: make("p")});
    $("tracks").append(make("div", {class: `net net${number}`}, make("h3", {}, ...heading(net, number)),
      make("div", {class: "slate"}, canvas), verdict, make("figure", {class: "change"}, change, caption)));
    $("words").append(views[number].words);
  }
  const level = y => 29 - 28 * y;
  $("curve").append(svg("path", {class: "grid", d: [0, 0.5, 1].map(y => `M0 ${level(y)}H100`).join("")}),
    svg("path", {class: "goal", d: `M0 ${level(SURE)}H100`}), ...views.map(({line}) => line), svg("path", {class: "now", id: "now"}));
}

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const stepsOf = track => track.images.length - 1;
const longest = () => Math.max(...film.tracks.map(stepsOf));
const isDone = track => track.success || stepsOf(track) >= MOST_STEPS;
const isOver = () => film.tracks.every(isDone) && film.at >= longest();
const frame = track => Math.min(film.at, stepsOf(track));

function drawingChanged() {
  if (film.from === "drawing") begin();
}

// A new film, at its start.
function begin() {
  pause();
  const start = film.from === "noise" ? noise(film.seed) : drawing.pixels.slice();
  const what = film.from === "noise" ? "uniform noise" : whatIsDrawn();
  film.version++;
  film.at = 0;
  film.tracks = NETWORKS.map(net => {
    const probabilities = look(net, start);
    return {net, what, names: net.names, target: film.target, images: [start], probabilities: [probabilities], success: probabilities[film.target] >= SURE};
  });
  showFilm();
}

// One step of one network up its log-probability: by its size, in the sign of the gradient.
function climb(track, size) {
  const {net, images, probabilities, target} = track, image = images[images.length - 1];
  const slope = gradient(net, image, ofLogProbability, target), step = Math.fround(size);
  const next = image.map((value, i) => clamp(Math.fround(value + step * Math.sign(slope[i])), 0, 1));
  images.push(next);
  probabilities.push(look(net, next));
  track.success = probabilities[probabilities.length - 1][target] >= SURE;
}

function advance() {  // all networks by one step; whether there is more to climb
  for (const track of film.tracks) if (!isDone(track)) climb(track, film.size);
  return !film.tracks.every(isDone);
}

function stepOn() {
  if (film.at >= longest()) advance();
  film.at = Math.min(film.at + 1, longest());
  showFilm();
}

// Climbs to the end without showing the way, and then shows one step of it, or the end.
function climbAll(at) {
  const {version} = film;
  inSlices(() => version === film.version && advance(), () => {
    if (version !== film.version) return;
    film.at = Math.min(at === undefined ? Infinity : at, longest());
    finish(at !== undefined);
  });
}

function play() {
  if (isOver()) film.at = 0;
  film.playing = true;
  $("play").textContent = "Pause";
  if (calm()) return climbAll();
  let last = -Infinity;
  const tick = now => {
    if (!film.playing) return;
    if (!$("slowly").checked || now - last > 150) { last = now; stepOn(); }
    if (isOver()) finish(); else requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

function pause() {
  film.playing = false;
  $("play").textContent = "Play";
}

function finish(quietly) {
  pause();
  showFilm();
  if (!quietly) say(film.tracks.map((track, number) => `${NETWORKS[number].name}: ${storyOf(track)}`).join(". "));
  changed();
}

function showFilm() {
  const end = longest();
  for (const [number, track] of film.tracks.entries()) {
    const {canvas, change, verdict, caption, line, words} = views[number], k = frame(track), {net} = track;
    show(canvas, track.images[k]);
    const said = reading(net.names, track.probabilities[k]);
    verdict.textContent = said;
    canvas.setAttribute("aria-label", `For ${net.name}, step ${k}: ${said}`);
    const times = enlarged(track);
    paint(change, i => Array(3).fill(clamp(127.5 + 255 * times * (track.images[k][i] - track.images[0][i]), 0, 255)));
    caption.textContent = `${times > 1 ? `change ×\u00a0${times}` : "change"}${film.from === "drawing" ? ": still the same to you?" : ""}`;
    line.setAttribute("points", track.probabilities.map((p, s) => `${100 * s / Math.max(end, 1)},${29 - 28 * p[film.target]}`).join(" "));
    const whole = isDone(track) && k === stepsOf(track);
    words.replaceChildren(...heading(net, number), whole ? `: ${storyOf(track)}.` : `: step ${k}, ${said}.`);
  }
  $("now").setAttribute("d", `M${100 * film.at / Math.max(end, 1)} 0V30`);
  $("step").max = end;
  $("step").value = film.at;
  $("step-said").textContent = `Step ${film.at}`;
  $("last-step").textContent = `step ${end}`;
  $("size-said").textContent = film.size.toFixed(3).replace(/0$/, "");
  $("fool").dataset.state = film.tracks.every(isDone) ? "done" : "climbing";
  for (const [name, group] of [["target", String(film.target)], ["from", film.from]])
    for (const input of document.getElementsByName(name)) input.checked = input.value === group;
  $("seed").value = film.seed;
  $("seed").disabled = film.from !== "noise";
  $("size").value = film.size;
}

// How many times a change has to be enlarged to be seen, a round number.
function enlarged({images}) {
  const sizes = images[images.length - 1].map((value, i) => Math.abs(value - images[0][i])).sort();
  const large = sizes[Math.floor(0.97 * PIXELS)];
  return [50, 20, 10, 5, 3, 2].find(times => large && times * large <= 0.5) || 1;
}
