// The third panel: a generator, and what can be done with its latents. As in gan/latent.py and gan/verbs/.

const GENERATOR = DATA.generator && {
  ...DATA.generator, chain: network(DATA.generator.network, DATA.generator.dim),
  latents: rowsOf(DATA.generator.latents, DATA.generator.dim), means: rowsOf(DATA.generator.means, DATA.generator.dim)};
// own: latents that were climbed or set by hand, in place of those on the way from one to the other.
const asked = {from: 0, to: 1, way: 0, minus: 0, plus: 0, strength: 0, own: null, climbing: false, film: null};

function rowsOf(text, length) {
  const numbers = fromHalf(fromBase64(text));
  return Array.from({length: numbers.length / length}, (_, i) => numbers.subarray(i * length, (i + 1) * length));
}

const normOf = z => Math.sqrt(z.reduce((sum, value) => sum + value * value, 0));

// From a to b on the great circle, the length changing evenly; straight where there is no one circle.
function between(a, b, t) {
  const [m, n] = [normOf(a), normOf(b)], angle = Math.acos(clamp(a.reduce((sum, v, i) => sum + v * b[i], 0) / (m * n), -1, 1));
  if (!(Math.sin(angle) >= 1e-4)) return a.map((value, i) => value + t * (b[i] - value));
  const length = m + t * (n - m), u = Math.sin((1 - t) * angle) / Math.sin(angle), v = Math.sin(t * angle) / Math.sin(angle);
  return a.map((value, i) => length * (u * value / m + v * b[i] / n));
}

// z + t (mean of what shall be - mean of what is), brought back to the length of z: others the generator never met.
function shifted(z, plus, minus, t) {
  const moved = z.map((value, i) => value + t * (plus[i] - minus[i])), scale = normOf(z) / normOf(moved);
  return moved.map(value => value * scale);
}

const pictureOf = z => GENERATOR.chain.forward(z).slice();
const base = () => asked.own || between(GENERATOR.latents[asked.from], GENERATOR.latents[asked.to], asked.way);
const meanOf = label => GENERATOR.means[GENERATOR.drawn.indexOf(label)];
const latent = (strength = asked.strength) => strength ? shifted(base(), meanOf(asked.plus), meanOf(asked.minus), strength) : base();

function buildLatents() {
  if (!GENERATOR) return $("latents").remove();
  $("latents").hidden = false;
  $("dim").textContent = GENERATOR.dim;
  const drawn = GENERATOR.drawn.map(label => NAMES[label]);
  for (const id of ["minus", "plus"]) {
    choices($(id), drawn, 0);
    $(id).onchange = () => { asked[id] = GENERATOR.drawn[$(id).value]; drawIt(); };
  }
  choices($("wanted"), NAMES, 3);
  choices($("critic"), NETWORKS.map(net => net.name), NETWORKS.length - 1);
  for (const [id, end, other] of [["walk-from", "from", "to"], ["walk-to", "to", "from"]])
    $(id).onclick = () => {
      do asked[end] = Math.floor(Math.random() * GENERATOR.latents.length); while (asked[end] === asked[other]);
      asked.way = +(end === "to");
      walked();
    };
  $("walk").oninput = () => { asked.way = +$("walk").value; walked(); };
  $("strength").oninput = () => { asked.strength = +$("strength").value; drawIt(); };
  $("climb").onclick = climbLatent;
  $("take").onclick = () => {
    put(pictureOf(latent()).map(value => clamp(value, 0, 1)), {kind: "drawing"});
    $("slate").scrollIntoView({block: "center", behavior: calm() ? "auto" : "smooth"});
    $("slate").focus({preventScroll: true});
  };
  $("save-climb").onclick = () => downloadFilm(titleOf(asked.film), [asked.film], "climb-of-latents");
  $("numbers").ontoggle = showNumbers;
}

function walked() {  // "this" is what the first network takes it for, as long as nobody says otherwise
  asked.own = null;
  asked.strength = 0;
  const read = likeliest(look(NETWORKS[0], pictureOf(base())).slice(0, NAMES.length));
  if (GENERATOR.drawn.includes(read)) asked.minus = read;
  if (asked.plus === asked.minus) asked.plus = GENERATOR.drawn.find(label => label !== asked.minus);
  drawIt();
}

function drawIt() {
  asked.climbing = false;
  showLatent();
  changed();
}

function showLatent() {
  const image = pictureOf(latent()), {drawn, latents} = GENERATOR;
  const said = NETWORKS.map(net => reading(net.names, look(net, image)));
  show($("drawn"), image);
  call($("drawn"), `What the generator draws: ${NETWORKS.map((net, n) => `${net.name} reads ${said[n]}`).join("; ")}`);
  $("drawn-read").replaceChildren(...NETWORKS.map((net, n) => make("span", {}, ...heading(net.name, n), `: ${said[n]}`)));
  for (const [id, number] of [["walk-from", asked.from], ["walk-to", asked.to]]) {
    show($(id).firstElementChild, pictureOf(latents[number]));
    call($(id), `${id === "walk-from" ? "From" : "To"} sample ${number}: another one`);
  }
  $("walk").value = asked.way;
  $("strength").value = asked.strength;
  $("strength-said").textContent = asked.strength ? asked.strength.toFixed(2) : "";
  for (const id of ["minus", "plus"]) $(id).value = drawn.indexOf(asked[id]);
  $("article").textContent = withArticle(NAMES[asked.plus]).split("\u00a0")[0];
  showNumbers();
}

// Adam up the logit of a class, as ascend(..., Logit(class), Latent(...)) does: what it moves are the latents.
function climber(net, target, z) {
  const mean = new Float64Array(z.length), square = new Float64Array(z.length);
  let count = 0;
  return () => {
    const image = pictureOf(z), probabilities = look(net, image);
    const arrived = probabilities[target] >= SURE;
    if (!arrived) {
      const slope = GENERATOR.chain.backward(gradient(net, image, ofLogit, target));
      count++;
      for (let i = 0; i < z.length; i++) {
        mean[i] = 0.9 * mean[i] + 0.1 * slope[i];
        square[i] = 0.999 * square[i] + 0.001 * slope[i] ** 2;
        z[i] += 0.05 * (mean[i] / (1 - 0.9 ** count)) / (Math.sqrt(square[i] / (1 - 0.999 ** count)) + 1e-8);
      }
    }
    return {image, probabilities, arrived};
  };
}

function climbLatent() {
  const net = NETWORKS[+$("critic").value], target = +$("wanted").value, z = latent().slice(), step = climber(net, target, z);
  const track = {name: net.name, names: net.names, what: "a generated image", target, images: [], probabilities: []};
  Object.assign(asked, {own: z, strength: 0, climbing: true, film: track});
  const more = () => {
    if (asked.film !== track || !asked.climbing) return false;
    const {image, probabilities, arrived} = step();
    track.images.push(image);
    track.probabilities.push(probabilities);
    track.success = arrived;
    return asked.climbing = !arrived && stepsOf(track) < MOST_STEPS;
  };
  const done = () => {
    if (asked.film !== track) return;
    showLatent();
    $("save-climb").disabled = false;
    $("climb-said").textContent = storyOf(track).replace(/ that moved.*/, ".");
    say($("climb-said").textContent);
  };
  if (calm()) inSlices(more, done); else atEachFrame(() => { const goesOn = more(); showLatent(); return goesOn; }, done);
}

function showNumbers() {  // a slider for each, made when somebody wants to see them
  if (!$("numbers").open) return;
  const z = latent();
  if (!$("raw").childElementCount)
    for (const i of z.keys()) {
      const input = make("input", {type: "range", min: -3, max: 3, step: 0.05});
      call(input, `Number ${i + 1}`);
      input.oninput = () => {
        const own = latent().slice();
        own[i] = +input.value;
        Object.assign(asked, {own, strength: 0});
        drawIt();
      };
      $("raw").append(input);
    }
  for (const [i, input] of [...$("raw").children].entries()) input.value = z[i];
}
