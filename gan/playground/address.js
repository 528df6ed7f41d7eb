// The state in the page's address, so that a link shows what one sees; and how the page begins.

function packed(pixels) {  // sixteen greys, two pixels in a byte
  const bytes = Array.from({length: PIXELS / 2}, (_, i) => Math.round(15 * pixels[2 * i]) << 4 | Math.round(15 * pixels[2 * i + 1]));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function unpacked(text) {  // null where it is no drawing
  try {
    const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
    return bytes.length === PIXELS / 2 ? Float32Array.from({length: PIXELS}, (_, i) => (bytes[i >> 1] >> (i & 1 ? 0 : 4) & 15) / 15) : null;
  } catch { return null; }
}

function state() {
  const {kind, index, seed} = drawing.source;
  const said = {
    [kind]: kind === "example" ? index : kind === "noise" ? seed : packed(drawing.pixels),
    classes: wishes.classes.join("."), target: film.target, from: film.from, seed: film.seed, size: film.size, step: film.at,
  };
  if (GENERATOR && !asked.own) {
    said.walk = [asked.from, asked.to, asked.way, asked.minus, asked.plus, asked.strength].join("_");
  }
  return Object.entries(said).map(([name, value]) => `${name}=${value}`).join("&");
}

let ready = false, waiting = 0;
function changed() {  // a moment later: browsers allow a page only so many addresses a minute
  clearTimeout(waiting);
  if (ready) waiting = setTimeout(remember, 300);
}

function remember() {
  try { history.replaceState(null, "", `#${state()}`); } catch { /* some browsers give a file no address of its own */ }
}

const whole = (text, count, otherwise) => {  // a whole number below count, or what it is otherwise
  const number = Number(text);
  return text && Number.isInteger(number) && number >= 0 && number < count ? number : otherwise;
};
const within = (text, low, high, otherwise) => text && Number.isFinite(+text) ? clamp(+text, low, high) : otherwise;
const named = name => Math.max(0, NAMES.indexOf(name));

// Whatever the address says that can be; the rest as the page begins.
function recall() {
  const said = new URLSearchParams(location.hash.slice(1)), labels = (said.get("classes") || "").split(".");
  wishes.classes = [whole(labels[0], NAMES.length, named("5")), whole(labels[1], NAMES.length, DATA.digits ? 8 : 1)];
  for (const [k, id] of ["first", "second"].entries()) choices($(id), NAMES, wishes.classes[k]);

  const likely = EXAMPLES.map(({label}) => label).lastIndexOf(wishes.classes[0]);  // the one that is hard to tell
  const index = whole(said.get("example"), EXAMPLES.length, Math.max(0, likely));
  const drawn = said.has("drawing") && unpacked(said.get("drawing")), seed = whole(said.get("noise"), 10000, null);
  if (drawn) put(drawn, {kind: "drawing"});
  else if (seed !== null) put(noise(seed), {kind: "noise", seed});
  else put(EXAMPLES[index].pixels, {kind: "example", index});

  film.target = whole(said.get("target"), NAMES.length, DATA.digits ? 3 : 0);
  film.from = said.get("from") === "drawing" ? "drawing" : "noise";
  film.seed = whole(said.get("seed"), 10000, 0);
  film.size = within(said.get("size"), 0.001, 0.5, 0.02);
  begin();
  climbAll(whole(said.get("step"), MOST_STEPS + 1, MOST_STEPS), showFilm);
  if (GENERATOR) setTimeout(() => recallLatents(...(said.get("walk") || "").split("_")));  // after the first picture
}

function recallLatents(from, to, way, minus, plus, strength) {
  const count = GENERATOR.latents.length, known = label => GENERATOR.drawn.includes(whole(label, NAMES.length));
  Object.assign(asked, {from: whole(from, count, 0), to: whole(to, count, 1), way: within(way, 0, 1, 0), plus: named("3")});
  walked();
  if (known(minus) && known(plus)) Object.assign(asked, {minus: +minus, plus: +plus, strength: within(strength, 0, 4, 0)});
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
      remember();
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
