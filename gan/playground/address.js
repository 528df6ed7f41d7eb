// The state in the page's address, so that a link shows what one sees; and how the page begins.

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function packed(pixels) {  // sixteen greys, three pixels in two letters
  let text = "";
  for (let i = 0; i < PIXELS; i += 3) {
    const [a, b, c] = [0, 1, 2].map(k => Math.round(15 * (pixels[i + k] || 0)));
    text += LETTERS[a << 2 | b >> 2] + LETTERS[(b & 3) << 4 | c];
  }
  return text;
}

function unpacked(text) {
  const pixels = new Float32Array(PIXELS + 3);
  for (let i = 0; i < text.length; i += 2) {
    const first = LETTERS.indexOf(text[i]), second = LETTERS.indexOf(text[i + 1]), at = i / 2 * 3;
    if (first < 0 || second < 0 || at >= PIXELS) return null;
    pixels.set([first >> 2, (first & 3) << 2 | second >> 4, second & 15].map(grey => grey / 15), at);
  }
  return pixels.slice(0, PIXELS);
}

function state() {
  const {kind, index, seed} = drawing.source;
  const said = {
    [kind]: kind === "example" ? index : kind === "noise" ? seed : packed(drawing.pixels),
    classes: wishes.classes.join("."), target: film.target, from: film.from, seed: film.seed, size: film.size, step: film.at,
  };
  if (GENERATOR && !asked.own) {
    said.walk = [asked.from, asked.to, asked.way].join("_");
    said.sum = [asked.minus, asked.plus, asked.strength].join("_");
  }
  return Object.entries(said).map(([name, value]) => `${name}=${value}`).join("&");
}

let ready = false, waiting = 0;
function changed() {  // a moment later: browsers allow a page only so many addresses a minute
  clearTimeout(waiting);
  if (ready) waiting = setTimeout(() => history.replaceState(null, "", `#${state()}`), 300);
}

// Whatever the address says that can be; the rest as the page begins.
function recall() {
  const said = new URLSearchParams(location.hash.slice(1));
  const whole = (text, count, otherwise) => {
    const number = Number(text);
    return text && Number.isInteger(number) && number >= 0 && number < count ? number : otherwise;
  };
  const between = (text, low, high, otherwise) => text && Number.isFinite(+text) ? clamp(+text, low, high) : otherwise;
  const named = name => Math.max(0, NAMES.indexOf(name)), labels = (said.get("classes") || "").split(".");
  wishes.classes = [whole(labels[0], NAMES.length, named("5")), whole(labels[1], NAMES.length, DATA.digits ? 8 : 1)];
  for (const [k, id] of ["first", "second"].entries()) choices($(id), NAMES, wishes.classes[k]);

  const fives = EXAMPLES.map((_, i) => i).filter(i => EXAMPLES[i].label === wishes.classes[0]);
  const index = whole(said.get("example"), EXAMPLES.length, fives.length ? fives[fives.length - 1] : 0);
  const drawn = said.has("drawing") && unpacked(said.get("drawing")), seed = whole(said.get("noise"), 10000, null);
  if (drawn) put(drawn, {kind: "drawing"});
  else if (seed !== null) put(noise(seed), {kind: "noise", seed});
  else put(EXAMPLES[index].pixels, {kind: "example", index});

  film.target = whole(said.get("target"), NAMES.length, DATA.digits ? 3 : 0);
  film.from = said.get("from") === "drawing" ? "drawing" : "noise";
  film.seed = whole(said.get("seed"), 10000, 0);
  film.size = between(said.get("size"), 0.001, 0.5, 0.02);
  begin();
  climbAll(said.has("step") ? whole(said.get("step"), MOST_STEPS + 1, 0) : undefined);

  if (!GENERATOR) return;
  const [from, to, way] = (said.get("walk") || "").split("_"), [minus, plus, strength] = (said.get("sum") || "").split("_");
  Object.assign(asked, {from: whole(from, GENERATOR.latents.length, 0), to: whole(to, GENERATOR.latents.length, 1), way: between(way, 0, 1, 0), plus: named("3")});
  walked();
  if (!GENERATOR.drawn.includes(whole(minus, NAMES.length)) || !GENERATOR.drawn.includes(whole(plus, NAMES.length))) return;
  Object.assign(asked, {minus: +minus, plus: +plus, strength: between(strength, 0, 4, 0)});
  showLatent();
}

function words() {  // how many networks there are, and what their classes are
  const count = ["a network", "two networks", "three networks"][NETWORKS.length - 1];
  const watch = NETWORKS.length > 1 && NETWORKS.some(net => net.rejects) && !NETWORKS.every(net => net.rejects);
  $("title").textContent = `Draw ${DATA.digits ? "a digit" : "something"}, fool ${count}${watch ? ", and watch one of them draw" : ""}.`;
  if (!DATA.digits) $("about-centre").remove();
  for (const word of DATA.digits ? [] : document.querySelectorAll(".thing")) word.textContent = "class";
  for (const button of document.querySelectorAll(".copy"))
    button.onclick = async () => {
      history.replaceState(null, "", `#${state()}`);
      try {
        await navigator.clipboard.writeText(location.href);
        button.textContent = "Copied";
      } catch { button.textContent = "Copy the address above"; }
      setTimeout(() => { button.textContent = "Copy a link to this"; }, 2000);
    };
}

words();
buildDraw();
buildFool();
buildSave();
buildLatents();
recall();
drawing.past = [];
$("undo").disabled = true;
ready = true;
addEventListener("hashchange", recall);
dark.addEventListener("change", update);
