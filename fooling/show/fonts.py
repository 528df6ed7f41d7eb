"""Letters of any script: matplotlib's own font has Latin, Greek, Cyrillic and more; others come from this machine's."""

from __future__ import annotations

import functools
import sys

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

_OWN = "DejaVu Sans"


def drawable(text: str) -> str:
    """The text, with the code points of those letters that no font here has, which would all be the same box."""
    missing = _search(text)[1]
    return "".join(f"U+{ord(letter):04X}" if letter in missing else letter for letter in text)


def families(text: str) -> list[str]:
    """The fonts that draw it together, each the letters that those before have not."""
    return [_OWN, *_search(text)[0]]


@functools.lru_cache(maxsize=4096)
def _search(text: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names of fonts beside our own that have letters of the text, and the letters that none has."""
    missing = {letter for letter in text if letter.isprintable() and ord(letter) not in _letters(_own_file())}
    names = []
    for name, file in _upright_fonts() if missing else ():
        if has := {letter for letter in missing if ord(letter) in _letters(file)}:
            names.append(name)
            missing -= has
        if not missing:
            break
    if missing:
        _say_missing("".join(sorted(missing)))
    return tuple(names), frozenset(missing)


def _own_file() -> str:
    return findfont(FontProperties(family=_OWN))


@functools.cache
def _upright_fonts() -> list[tuple[str, str]]:
    """Names and files of this machine's fonts of ordinary weight, those first that are made for many scripts;
    none of last resort, which draws every letter as the same box."""
    plain = {
        font.name: font.fname
        for font in fontManager.ttflist
        if font.style == "normal" and font.weight == 400 and "lastresort" not in font.name.replace(" ", "").lower()
    }
    return sorted(plain.items(), key=lambda font: (not font[0].startswith("Noto Sans"), font))


@functools.cache
def _letters(file: str) -> frozenset[int]:
    try:
        return frozenset(get_font(file).get_charmap())
    except (OSError, RuntimeError):  # a font that is gone since matplotlib listed it, or broken
        return frozenset()


@functools.cache
def _say_missing(letters: str) -> None:
    said = (
        f"warning: no font here has {letters}: pictures show their code points instead (install one, such as Noto Sans)"
    )
    print(said, file=sys.stderr, flush=True)
