"""Stacked-MNIST is the same thousand classes of three digits for everybody, and its test digits are MNIST's."""

import hashlib

import pytest
import torch

from fooling.data.load import DataConfig, held_out, load, load_config


@pytest.fixture(scope="module")
def test_images():
    return held_out(DataConfig(name="stacked-mnist"))


def test_each_colour_is_a_digit_of_the_split_and_the_label_reads_them_from_red_to_blue(test_images):
    digits = load("mnist", "test")
    known = {image.numpy().tobytes(): int(label) for image, label in zip(digits.images, digits.labels, strict=True)}
    assert test_images.images.dtype == torch.uint8
    for image, label in zip(test_images.images[:200], test_images.labels[:200], strict=True):
        read = [known[channel.numpy().tobytes()] for channel in image]  # a KeyError: no test digit
        assert test_images.class_names[label] == "".join(map(str, read))


def test_it_holds_every_class_as_often_as_chance_has_it_and_never_changes():
    data = load_config(DataConfig(name="stacked-mnist"))
    assert data.images.shape == (128_000, 3, 28, 28) and data.class_names[7] == "007"
    counts = data.labels.bincount(minlength=1000)
    assert len(counts) == len(data.class_names) == 1000 and counts.min() > 60 and counts.max() < 200
    assert hashlib.sha256(data.labels.numpy().data).hexdigest()[:16] == "e1c8ff46dbdab146"


def test_the_colours_are_drawn_apart(test_images):
    red, green = test_images.labels // 100, test_images.labels // 10 % 10
    assert (red == green).float().mean() == pytest.approx(0.1, abs=0.01)
    assert test_images.images.shape == (26_000, 3, 28, 28)
