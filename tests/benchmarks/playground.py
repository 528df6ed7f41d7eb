"""How large the playground is, and how quick in Chromium: python tests/benchmarks/playground.py --generator runs/mnist

Times are the best of many short batches, in milliseconds, except the first picture: the median of several openings.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from in_browser import browser

from fooling import cli
from gan.playground.playground import PlaygroundConfig, write_playground

# The drawing there, painted and seen by the next frame.
FIRST = """
(function wait() {
  const slate = document.getElementById("slate");
  const drawn = slate && slate.getContext("2d").getImageData(0, 0, 28, 28).data.some((value, i) => i % 4 < 3 && value);
  if (drawn) drawnAt = performance.now(); else requestAnimationFrame(wait);
})();
"""
TIMES = """() => {
  const best = call => Math.min(...Array.from({length: 60}, () => {
    const start = performance.now();
    for (let i = 0; i < 5; i++) call();
    return (performance.now() - start) / 5;
  }));
  const image = noise(0), climbs = NETWORKS.map(net => {
    const track = arrive({net, target: 3, images: [], probabilities: []}, image);
    return () => { climb(track, 0.02); track.images.shift(); };
  });
  const found = {"an update while drawing": best(update)};
  NETWORKS.forEach((net, n) => {
    found[`forward, ${net.name}`] = best(() => look(net, image));
    arrive({net, target: 3, images: [], probabilities: []}, image);
    found[`a step of a climb, ${net.name}`] = best(climbs[n]);
  });
  if (GENERATOR) found["the generator"] = best(() => pictureOf(GENERATOR.latents[0]));
  return found;
}"""


def main(generator: str | None = None, openings: int = 7) -> None:
    """Print the figures.

    Args:
        generator: A run of a generator, to be in the page too.
        openings: How often to open the page, for the time until the drawing is there.
    """
    with tempfile.TemporaryDirectory() as folder, browser() as opened:
        file = write_playground(PlaygroundConfig(generator=generator, output=f"{folder}/playground.html"))
        page_text = file.read_text(encoding="utf-8")
        for what, pattern in {"script": r"<script>(.*?)</script>", "style": r"<style>(.*?)</style>"}.items():
            print(f"{what}: {len(re.findall(pattern, page_text, re.DOTALL)[0].encode()):,} bytes")
        held = len(re.findall(r'id="data">(.*?)</script>', page_text, re.DOTALL)[0])
        print(f"page: {len(page_text.encode()):,} bytes, of which networks and examples {held:,}")
        first = []
        for _ in range(openings):
            page = opened.new_page()
            page.add_init_script(FIRST)
            page.goto(file.as_uri())
            page.locator("#fool[data-state=done]").wait_for()
            first.append(page.evaluate("drawnAt"))
            times = page.evaluate(TIMES)
            page.close()
        print(f"the first picture: {statistics.median(first):.0f} ms after opening")
        for what, milliseconds in times.items():
            print(f"{what}: {milliseconds:.2f} ms")


if __name__ == "__main__":
    sys.exit(cli.run(main))
