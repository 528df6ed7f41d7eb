// The second panel: climb each network's log-probability of a class, in lockstep, and look at the film of it.

const SURE = 0.99, MOST_STEPS = 500;
// A track is a network's climb: {name, names, net, what, target, images, probabilities, success}.
const film = {from: "noise", seed: 0, target: 0, size: 0.02, tracks: [], at: 0, version: 0, playing: false};
const views = [];

function buildFool() {
  const sets = (name, value) => { film[name] = value; begin(); changed(); };
  const shows = at => { pause(); film.at = at; showFilm(); changed(); };
  for (const [label, name] of NAMES.entries()) {
    const input = make("input", {type: "radio", name: "target", value: label, onchange: () => sets("target", label)});
    $("targets").append(make("label", {}, input, make("span", {}, name)));
  }
  for (const input of document.getElementsByName("from")) input.onchange = () => sets("from", input.value);
  $("seed").onchange = () => sets("seed", clamp(Math.round(+$("seed").value) || 0, 0, 9999));
  $("size").oninput = () => sets("size", +$("size").value);
  $("play").onclick = () => film.playing ? pause() : play();
  $("one").onclick = () => { pause(); if (!stepOn()) finish(); changed(); };
  $("again").onclick = () => shows(0);
  $("step").oninput = () => shows(+$("step").value);
  for (const [number, net] of NETWORKS.entries()) {
    const view = {canvas: picture(""), change: picture(`What has been changed for ${net.name}`), words: make("p"),
      verdict: make("p.reading"), caption: make("figcaption.hint"), line: svg("polyline", {class: `net${number}`})};
    views.push(view);
    part("tracks", number, view.canvas, view.verdict, make("figure.change", {}, view.change, view.caption));
    $("words").append(view.words);
  }
  $("curve").append(svg("path", {class: "grid", d: [0, 0.5, 1].map(p => `M0 ${level(p)}H100`).join("")}),
    svg("path", {class: "goal", d: `M0 ${level(SURE)}H100`}), ...views.map(({line}) => line), svg("path", {class: "now", id: "now"}));
}

const level = p => 29 - 28 * p;

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const stepsOf = track => track.images.length - 1;
const longest = () => Math.max(...film.tracks.map(stepsOf));
const isDone = track => track.success || stepsOf(track) >= MOST_STEPS;
const areDone = () => film.tracks.every(isDone);

function begin() {  // a new film, at its start
  const noisy = film.from === "noise", start = noisy ? noise(film.seed) : drawing.pixels.slice(), {target} = film;
  pause();
  film.version++;
  film.at = 0;
  film.tracks = NETWORKS.map(net => {
    const track = {name: net.name, names: net.names, net, what: noisy ? "uniform noise" : whatIsDrawn(), target, images: [], probabilities: []};
    return arrive(track, start);
  });
  showFilm();
}

function arrive(track, image) {
  const probabilities = look(track.net, image);
  track.images.push(image);
  track.probabilities.push(probabilities);
  track.success = probabilities[track.target] >= SURE;
  return track;
}

// One step of one network up its log-probability: by its size, in the sign of the gradient.
function climb(track, size) {
  const image = track.images[stepsOf(track)], slope = gradient(track.net, image, ofLogProbability, track.target);
  const step = Math.fround(size);
  arrive(track, image.map((value, i) => clamp(Math.fround(value + step * Math.sign(slope[i])), 0, 1)));
}

function advance() {  // all networks by one step; whether there is more to climb
  for (const track of film.tracks) if (!isDone(track)) climb(track, film.size);
  return !areDone();
}

function stepOn() {  // on in the film, which grows where it ends; whether there is more of it
  if (film.at >= longest()) advance();
  film.at = Math.min(film.at + 1, longest());
  showFilm();
  return film.at < longest() || !areDone();
}

// Climbs to the end without showing the way, and then shows that step of it, or the end.
function climbAll(at, done) {
  const {version} = film;
  inSlices(() => version === film.version && advance(), () => {
    if (version !== film.version) return;
    film.at = Math.min(at, longest());
    done();
  });
}

function play() {
  if (film.at >= longest() && areDone()) film.at = 0;
  film.playing = true;
  $("play").textContent = "Pause";
  if (calm()) return climbAll(MOST_STEPS, finish);
  let last = 0;
  const {version} = film, goesOn = () => film.playing && version === film.version;
  atEachFrame(now => {
    if (!goesOn() || $("slowly").checked && now - last < 150) return goesOn();
    last = now;
    return stepOn();
  }, () => { if (goesOn()) finish(); });
}

function pause() {
  film.playing = false;
  $("play").textContent = "Play";
}

function finish() {
  pause();
  showFilm();
  say(film.tracks.map(track => `${track.name}: ${storyOf(track)}`).join(". "));
  changed();
}

function showFilm() {
  const end = longest(), share = k => 100 * k / Math.max(end, 1);
  for (const [number, track] of film.tracks.entries()) {
    const {canvas, change, verdict, caption, line, words} = views[number], k = Math.min(film.at, stepsOf(track));
    const said = reading(track.names, track.probabilities[k]), [first] = track.images;
    const changes = track.images[k].map((value, i) => value - first[i]), most = Math.max(...changes.map(Math.abs)) || 1;
    show(canvas, track.images[k]);
    call(canvas, `Step ${k}: ${said}`);
    verdict.textContent = said;
    show(change, changes.map(value => 0.5 + value / most / 2));
    caption.textContent = `change: ${film.from === "drawing" ? "still the same to you?" : "grey is none"}`;
    line.setAttribute("points", track.probabilities.map((p, step) => `${share(step)},${level(p[track.target])}`).join(" "));
    words.replaceChildren(...heading(track.name, number), `: ${isDone(track) && k === stepsOf(track) ? storyOf(track) : `step ${k}, ${said}`}.`);
  }
  $("now").setAttribute("d", `M${share(film.at)} 0V30`);
  Object.assign($("step"), {max: end, value: film.at});
  $("step-said").textContent = `Step ${film.at}`;
  $("last-step").textContent = `step ${end}`;
  $("size-said").textContent = +film.size.toFixed(3);
  $("fool").dataset.state = areDone() ? "done" : "climbing";
  for (const name of ["target", "from"])
    for (const input of document.getElementsByName(name)) input.checked = input.value === String(film[name]);
  Object.assign($("seed"), {value: film.seed, disabled: film.from !== "noise"});
  $("size").value = film.size;
}
