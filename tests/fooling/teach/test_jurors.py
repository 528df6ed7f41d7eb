"""How the jurors are taught: on what is made, never on what was climbed against another network."""

from dataclasses import replace

import pytest
import torch

from fooling.classifiers.jury import JURORS
from fooling.classifiers.networks import SoftmaxRegression
from fooling.classifiers.train import accuracy
from fooling.data.load import load
from fooling.images import Images, to_float
from fooling.pretrained import WEIGHTS, Pretrained
from fooling.teach.jurors import RECIPES, made_rubbish, pushed, stained, train_juror


@pytest.fixture(scope="module")
def real():
    return to_float(load("mnist", "test").images[:64])


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_recipes_are_those_of_the_jurors_that_ship():
    assert tuple(RECIPES) == JURORS
    for name, recipe in RECIPES.items():
        assert Pretrained.from_pretrained(WEIGHTS / "jury" / name).reject_class == (recipe.rubbish > 0)


def test_rubbish_is_of_every_kind_and_follows_from_the_generator_alone(real):
    images = made_rubbish(45, real, drawn())
    assert images.shape == (45, 1, 28, 28) and images.min() >= 0 and images.max() <= 1
    assert images.equal(made_rubbish(45, real, drawn())) and not images.equal(made_rubbish(45, real, drawn(1)))
    assert len(images.flatten(1).unique(dim=0)) == 45


def test_stained_digits_can_still_be_read(real):
    """By one who knows clean ones: most of the ink is where it was."""
    images = stained(real, 0.5, drawn())
    assert images.shape == real.shape and images.min() >= 0 and images.max() <= 1 + 1e-6
    alike = [
        torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].abs() for a, b in zip(real, images, strict=True)
    ]
    assert torch.stack(alike).median() > 0.8 and 0 < (images == real).flatten(1).all(1).sum() < 40


def test_a_push_is_small_and_down(real):
    network, labels = SoftmaxRegression(), torch.arange(64) % 10
    torch.nn.init.normal_(network.logits.weight, generator=drawn())
    images = pushed(network, real, labels, 0.1, drawn())
    assert images[1::2].equal(real[1::2]) and 0.05 < (images - real).abs().max() <= 0.1 + 1e-6
    before, after = (network(x)[::2].log_softmax(1).gather(1, labels[::2, None]) for x in (real, images))
    assert (after < before).float().mean() > 0.95 and network.training


def test_a_juror_follows_from_the_data_and_the_recipe():
    train = load("mnist")
    few = Images(train.images[:512], train.labels[:512], train.class_names)
    for name in ("clean", "firm"):
        recipe = replace(RECIPES[name], epochs=0.5)
        once, again = (train_juror(few, recipe).state_dict() for _ in range(2))
        assert all(torch.equal(once[key], again[key]) for key in once)
        assert ("logits.bias" in once) and len(once["logits.bias"]) == 10 + (recipe.rubbish > 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_they_can_be_made_again(name):
    """As tests/benchmarks/weights.py does. A training's bits differ between processors; what it reaches does not."""
    test, shipped = load("mnist", "test"), Pretrained.from_pretrained(WEIGHTS / "jury" / name)
    again = train_juror(load("mnist"), RECIPES[name])
    assert accuracy(again, test) > accuracy(shipped, test) - 0.003 and again.config == shipped.config
