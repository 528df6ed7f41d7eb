// What is said, in the words of `fooling trick`: see fooling/verbs/story.py and fooling/show/layout.py.

function percent(p) {  // never rounded to 0 % or 100 %, and never broken at a line's end
  if (p > 0.99995) return ">\u202f99.99\u00a0%";
  if (p < 0.00005) return "<\u202f0.01\u00a0%";
  return (p * 100).toFixed(p < 0.01 || p >= 0.99 ? 2 : p < 0.1 || p >= 0.9 ? 1 : 0) + "\u00a0%";
}

function withArticle(name) {
  if (name === "none") return name;
  const an = (name.length === 1 ? "aefhilmnorsx8" : "aeiou8").includes(name[0].toLowerCase());
  return (an || name === "11" || name === "18" ? "an" : "a") + "\u00a0" + name;
}

const capital = text => text[0].toUpperCase() + text.slice(1);
const signed = number => (number < 0 ? "\u2212" : "+") + Math.abs(number).toFixed(2);
const likeliest = probabilities => probabilities.indexOf(Math.max(...probabilities));
const reading = (names, probabilities) => {
  const best = likeliest(probabilities);
  return `${withArticle(names[best])}, ${percent(probabilities[best])}`;
};

// What happened in a climb from images[0], of which the network said probabilities[0], to the last ones.
function storyOf({what, names, target, images, probabilities, success}) {
  const end = images.length - 1, first = probabilities[0], called = likeliest(first);
  const reached = percent(probabilities[end][target]);
  const change = images[end].reduce((sum, value, i) => sum + Math.abs(value - images[0][i]), 0) / images[end].length;
  const outcome = success
    ? `is called ${called === target ? "that" : withArticle(names[target])} with ${reached}`
    : `reached only ${reached} as ${withArticle(names[target])}`;
  return `${capital(what)}, called ${withArticle(names[called])} with ${percent(first[called])}, ${outcome}`
    + ` after ${end} step${end === 1 ? "" : "s"} that moved the average pixel ${percent(change)} of the way from black to white`;
}
