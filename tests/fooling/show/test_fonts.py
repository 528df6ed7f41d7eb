"""Class names in any script: from a font that has their letters, or as code points, never as boxes."""

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from fooling.show import fonts, layout
from fooling.show.layout import Sheet

THREE = "\u4e09"  # 三


def forget():
    for cached in (fonts._search, fonts._upright_fonts, fonts._letters, fonts._say_missing, layout._text_width):
        cached.cache_clear()


@pytest.fixture
def no_other_font(monkeypatch):
    own = [font for font in font_manager.fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    forget()
    yield
    forget()


@pytest.fixture
def font_of_three(tmp_path, no_other_font):
    """A font of one letter: three bars."""
    pen = TTGlyphPen(None)
    for low in (100, 400, 700):
        pen.moveTo((100, low))
        for corner in ((100, low + 80), (900, low + 80), (900, low)):
            pen.lineTo(corner)
        pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "three"])
    builder.setupCharacterMap({ord(THREE): "three"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "three": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "three": (1000, 100)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Three", "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(tmp_path / "three.ttf")
    font_manager.fontManager.addfont(tmp_path / "three.ttf")
    forget()


def drawn(name):
    sheet = Sheet([60], [200], title="One", labels=[name])
    return sheet.picture()


def test_a_letter_comes_from_the_font_that_has_it(font_of_three, capsys):
    assert fonts.families(f"3 {THREE}") == ["DejaVu Sans", "Three"] and fonts.drawable(THREE) == THREE
    words = drawn(THREE)[60:, :220].min(2).min(1) < 160  # rows with ink, below the title and left of the panel
    assert (words[1:] > words[:-1]).sum() == 3  # its bars
    assert capsys.readouterr().err == ""


def test_a_letter_that_no_font_has_is_its_code_point_and_that_is_said_once(no_other_font, capsys):
    assert fonts.families(THREE) == ["DejaVu Sans"] and fonts.drawable(f"a {THREE}") == "a U+4E09"
    assert (drawn(THREE) == drawn("U+4E09")).all()
    assert capsys.readouterr().err.count("warning: no font here has \u4e09: ") == 1


@pytest.mark.parametrize("text", ["seven", "Größe", "семь", "επτά", "a\nb", "\u2212\u200999\u00a0%", ""])
def test_what_the_own_font_has_needs_no_other(text):
    assert fonts.families(text) == ["DejaVu Sans"] and fonts.drawable(text) == text
