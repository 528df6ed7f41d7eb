"""An image of one's own: ink on paper is not what a network of white digits on black knows."""

import pytest
import torch

from fooling.classifiers.load import trained_classifier
from fooling.data.load import load
from fooling.files import write_png
from fooling.images import to_float
from fooling.show.grids import grid
from fooling.verbs.arguments import own_image


@pytest.fixture(scope="module")
def digits():
    return load("mnist", "test")


@pytest.fixture
def on_paper(digits, tmp_path):
    return str(write_png(grid(1 - to_float(digits.images[:1]), padding=0), tmp_path / "paper.png"))


def test_ink_on_paper_is_told_of_and_turned_round(digits, on_paper, capsys):
    lenet = trained_classifier()
    own_image(on_paper, lenet, digits, invert=False)
    assert "mostly light" in (said := capsys.readouterr().out) and "--invert true" in said
    image = own_image(on_paper, lenet, digits, invert=True)
    assert not capsys.readouterr().out
    torch.testing.assert_close(image, to_float(digits.images[0]), rtol=0, atol=1e-6)


def test_a_digit_that_was_turned_for_nothing_is_told_of(digits, tmp_path, capsys):
    path = str(write_png(grid(to_float(digits.images[:1]), padding=0), tmp_path / "digit.png"))
    own_image(path, trained_classifier(), digits, invert=True)
    assert "--invert false" in capsys.readouterr().out
