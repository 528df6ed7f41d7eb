"""Pages as their readers have them: opened in a real browser, at the width of a telephone and in the dark.

with browser() as opened, page_of(opened, file) as page:    # skips the test where no browser is at hand
    look(page, width=390, scheme="dark")
    assert faults(page) == []
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (1280, 390, 320)  # a desk, a telephone, the narrowest that WCAG 2.2 asks for (1.4.10)
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LOCAL = ("file:", "data:", "blob:")
_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's Chromium or Chrome, or playwright's own. Where there is none, the test that asks is skipped; or it
    fails, if the environment has NEEDS_BROWSER."""
    no = pytest.fail if os.environ.get("NEEDS_BROWSER") else pytest.skip
    try:
        from playwright import sync_api
    except ModuleNotFoundError:
        no("a browser is driven by playwright: pip install it")
    with sync_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, _NAMES)), own if Path(own).exists() else None)
        if found is None:
            no("no browser here: apt-get install chromium, or playwright install chromium")
        opened = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        yield opened
        opened.close()


@contextmanager
def page_of(opened: Browser, file: Path, address: str = "", **context: Any) -> Iterator[Page]:
    """A file as a page. It may fetch nothing else; that, an error of its own scripts, and anything that it says to the
    console, fails the test.

    address: what follows the file in the page's address, such as "#top". context: as Browser.new_context takes it.
    """
    errors: list[str] = []
    page = opened.new_page(**context)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.on("request", lambda asked: None if asked.url.startswith(_LOCAL) else errors.append(asked.url))
    page.goto(file.resolve().as_uri() + address)
    yield page
    page.close()
    assert errors == []


def look(page: Page, *, width: int, scheme: Scheme, height: int = 800) -> None:
    """Look at a page in a window so many CSS pixels wide and high, by day or by night."""
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)


def faults(page: Page, *, smallest_image: int = 64) -> list[str]:
    """What a reader could not reach, read or make out on this page; nothing is well.

    The page itself must not scroll sideways. Every figure (cell, definition, caption, image) can be brought wholly
    between the two edges of the window, with nothing before it. Text is at least 12 CSS pixels high, and has a contrast
    of 4.5 to 1 with whatever its background may be (WCAG 2.2, 1.4.3; 3 to 1 where it is large). Images have loaded, are
    at least `smallest_image` CSS pixels wide and high, and say what they show. Headings begin with one h1 and skip no
    level. The language is named.
    """
    return page.evaluate(_FAULTS, smallest_image)


_FAULTS = """
smallest => {
  const faults = [], all = selector => [...document.querySelectorAll(selector)];
  const name = e => `${e.tagName.toLowerCase()} "${(e.alt || e.textContent).trim().slice(0, 40)}"`;
  const hidden = e => !e.checkVisibility({visibilityProperty: true});
  const root = document.documentElement, wide = root.clientWidth;

  if (!root.lang) faults.push("the page names no language");
  if (!document.title) faults.push("the page has no title");
  if (root.scrollWidth > wide) {
    const out = all("body *").filter(e => e.getBoundingClientRect().right > wide + 1);
    faults.push(`the page scrolls sideways, ${root.scrollWidth} of ${wide} px: ${out.slice(0, 3).map(name)}`);
  }

  // A column's name may be hidden where every cell of the column says it.
  const figures = all(
    "td, th[scope=row], dt, dd, figure, figcaption, img, svg, canvas, output, summary, button, input");
  for (const e of figures) {
    if (e.closest("details:not([open]) > :not(summary)")) continue;
    if (hidden(e)) { faults.push(`${name(e)} is not shown`); continue; }
    for (let box = e.parentElement; box; box = box.parentElement)  // which scripts can scroll, and nobody else
      if (/hidden|clip/.test(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth + 1)
        faults.push(`${name(e)} is cut off by ${name(box)}`);
    e.scrollIntoView({block: "center", inline: "end"});
    const texts = document.createRange();
    texts.selectNodeContents(e);
    const boxes = [e.getBoundingClientRect(), ...[...texts.getClientRects()].filter(r => r.width)];
    if (!boxes[0].width || !boxes[0].height) { faults.push(`${name(e)} has no size`); continue; }
    const left = Math.min(...boxes.map(r => r.left)), right = Math.max(...boxes.map(r => r.right));
    if (left < -1 || right > wide + 1) {
      faults.push(`${name(e)} goes from ${left} to ${right} of ${wide} px`);
      continue;
    }
    const seen = boxes[boxes.length - 1];  // of a cell, its last words: the figure
    const top = document.elementFromPoint((seen.left + seen.right) / 2, (seen.top + seen.bottom) / 2);
    if (!top || !(e.contains(top) || top.contains(e)))
      faults.push(`${name(e)} is behind ${top ? name(top) : "the edge of its box"}`);
  }
  scrollTo(0, 0);

  for (const e of all("img")) {
    const box = e.getBoundingClientRect();
    if (!e.complete || !e.naturalWidth) faults.push(`${name(e)} has not loaded`);
    if (Math.min(box.width, box.height) < smallest) faults.push(`${name(e)} is only ${box.width} x ${box.height} px`);
    if (!(e.alt || "").trim()) faults.push(`an image has no words: ${e.src.slice(0, 60)}`);
  }

  let level = 0;
  for (const e of all("h1, h2, h3, h4, h5, h6")) {
    const next = Number(e.tagName[1]);
    if (next > level + 1) faults.push(`${name(e)} follows a heading of level ${level}`);
    level = next;
  }
  if (all("h1").length != 1) faults.push(`${all("h1").length} headings of level 1`);

  const colours = text => [...text.matchAll(/rgba?\\(([^)]*)\\)/g)].map(m => m[1].split(/[,/ ]+/).map(parseFloat))
    .map(([r, g, b, a]) => ({rgb: [r, g, b], alpha: a === undefined ? 1 : a}));
  const over = (front, back) => front.rgb.map((v, i) => front.alpha * v + (1 - front.alpha) * back[i]);
  const luminance = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches
    && getComputedStyle(root).colorScheme.includes("dark") ? [18, 18, 18] : [255, 255, 255];
  const backgrounds = e => {  // every colour that may lie behind: its own, and each of its pictures'
    if (!e) return [canvas];
    const style = getComputedStyle(e), below = backgrounds(e.parentElement);
    const own = colours(style.backgroundColor).flatMap(c => below.map(b => over(c, b)));
    return [...own, ...colours(style.backgroundImage).flatMap(c => own.map(b => over(c, b)))];
  };
  const said = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, style = getComputedStyle(e), size = parseFloat(style.fontSize);
    if (!walk.currentNode.data.trim() || hidden(e) || ["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    if (size < 12) faults.push(`${name(e)} is written in ${size} px`);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const behind = backgrounds(e), key = [style.color, large, ...behind].join(" ");
    if (said.has(key)) continue;
    said.add(key);
    for (const back of behind) {
      const ratio = contrast(over(colours(style.color)[0], back), back);
      if (ratio < (large ? 3 : 4.5)) faults.push(`${name(e)} has a contrast of ${ratio.toFixed(2)}`);
    }
  }
  return faults;
}
"""
