"""Panels show the pixels they were given, maps are white at zero, and words fit where they stand."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from fooling.show.layout import AGAINST, DIVERGING, FOR, Sheet, panel_size, percent, with_article


def inside(sheet, index=0, margin=2):
    """The drawn pixels of a panel, less `margin` of its frame."""
    box = sheet.figure.axes[index].get_window_extent()
    picture = sheet.picture()
    top, bottom = round(sheet.height - box.y1), round(sheet.height - box.y0)
    return picture[top + margin : bottom - margin, round(box.x0) + margin : round(box.x1) - margin]


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "< 0.01 %"), (0.00005, "0.01 %"), (0.0057, "0.57 %"), (0.02, "2.0 %"), (0.278, "28 %"),
        (0.936, "93.6 %"), (0.998, "99.80 %"), (0.9999, "99.99 %"), (1.0, "> 99.99 %"),
    ],
)  # fmt: skip
def test_percentages_never_claim_certainty(probability, text):
    assert percent(probability).replace("\u2009", " ").replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("7", "a 7"), ("8", "an 8"), ("11", "an 11"), ("80", "an 80"), ("1", "a 1"), ("F", "an F"), ("u", "a u"),
        ("Ankle boot", "an Ankle boot"), ("Shirt", "a Shirt"), ("none", "none"),
    ],
)  # fmt: skip
def test_articles(name, text):
    assert with_article(name).replace("\u00a0", " ") == text


def test_names_with_dollars_are_not_formulas():
    sheet = Sheet([100], [100], title="From $5 to $_10", below=30)
    sheet.bars(0, 0, torch.tensor([0.5, 0.5]), ["$5_{", "$10"], "$\\nonsense$")
    assert sheet.picture().std() > 0


@pytest.mark.parametrize(("height", "width"), [(28, 28), (32, 32), (64, 48), (5, 5), (300, 200), (1000, 500)])
def test_panels_are_whole_multiples_of_their_image_and_never_huge(height, width):
    h, w = panel_size(height, width)
    assert max(h, w) <= 336 and abs(h / w - height / width) < 0.02
    if max(height, width) <= 336:
        assert h % height == 0 and w % width == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_pixel_is_a_square_block_of_its_own_colour(channels):
    image = torch.rand(channels, 28, 28, generator=torch.Generator().manual_seed(0))
    sheet = Sheet([168], [168], title="t")
    sheet.image(0, 0, image)
    expected = (image.permute(1, 2, 0).expand(-1, -1, 3) * 255).round().numpy().repeat(6, 0).repeat(6, 1)
    difference = np.abs(inside(sheet).astype(int) - expected[2:-2, 2:-2])
    assert difference.max() <= 1


def test_a_map_is_white_at_zero_blue_above_and_red_below():
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]).expand(5, 5)
    sheet = Sheet([100], [100], title="t")
    sheet.map(0, 0, values, limit=2)
    red, pale_red, zero, pale_blue, blue = inside(sheet, margin=0)[50, [10, 30, 50, 70, 90]].astype(int)
    assert zero.tolist() == [255, 255, 255]
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 50
    assert pale_red.sum() > red.sum() and pale_blue.sum() > blue.sum()


def test_the_same_value_has_the_same_colour_whatever_else_is_in_the_panel():
    sheet = Sheet([100], [100, 100], title="t")
    sheet.map(0, 0, torch.full((1, 2, 2), 0.5), limit=1)
    sheet.map(0, 1, torch.tensor([[[0.5, -1.0], [1.0, 0.0]]]), limit=1)
    assert np.array_equal(inside(sheet, 0)[10, 10], inside(sheet, 1)[10, 10])


def test_a_colour_map_shows_the_effect_of_all_channels_together():
    one, three = Sheet([100], [100], title="t"), Sheet([100], [100], title="t")
    one.map(0, 0, torch.full((1, 2, 2), 0.6), limit=1)
    three.map(0, 0, torch.full((3, 2, 2), 0.2), limit=1)
    assert np.array_equal(inside(one), inside(three))


# What people without one kind of cone see, as a matrix on linear RGB (Machado et al. 2009, severity 1).
CONES = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("eye", CONES)
def test_for_and_against_look_different_to_every_eye(eye):
    colours = {"for": to_rgb(FOR), "against": to_rgb(AGAINST)}
    colours |= {"+": DIVERGING(0.75)[:3], "-": DIVERGING(0.25)[:3], "0": DIVERGING(0.5)[:3]}
    seen = {
        name: np.clip(np.asarray(CONES[eye]) @ np.asarray(colour) ** 2.2, 0, 1) ** (1 / 2.2)
        for name, colour in colours.items()
    }
    for one, other in [("for", "against"), ("+", "-"), ("+", "0"), ("-", "0")]:
        assert np.linalg.norm(seen[one] - seen[other]) > 0.25, (one, other)


def test_bars_stand_as_high_as_their_probability():
    sheet = Sheet([200], [300], title="t", below=24)
    sheet.bars(0, 0, torch.tensor([0.25, 0.75]), ["a", "b"], colours={1: FOR})
    blue = (np.abs(inside(sheet, margin=0).astype(int) - (np.array(to_rgb(FOR)) * 255).round()) <= 2).all(-1)
    assert blue.any(0).sum() > 50 and blue.any(1).sum() == pytest.approx(150, abs=2)


@pytest.mark.parametrize("text", ["7", "a word and another word that do not fit above a panel", "two\nlines of them"])
def test_words_above_a_panel_stay_above_that_panel(text):
    sheet = Sheet([100], [100, 100], title="A title much longer than the panels are wide " * 3, above=2)
    for column in (0, 1):
        sheet.image(0, column, torch.zeros(1, 10, 10), text)
    title, left, right = (t.get_window_extent() for t in sheet.figure.texts)
    assert left.x1 < right.x0 and left.x0 >= 0 and right.x1 <= sheet.width
    assert title.x0 >= 0 and title.x1 <= sheet.width and title.y0 >= left.y1


def test_pictures_need_no_pyplot():
    code = "import sys, fooling.show.figures; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
