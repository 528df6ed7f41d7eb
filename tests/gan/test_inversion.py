"""Inversion: what a generator drew, it can be brought to draw again."""

import pytest
import torch

from fooling.errors import UserError
from gan.inversion import invert
from gan.networks import DCGANGenerator


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr("gan.inversion._POOL", 100)


def generator_of(**settings):
    torch.manual_seed(0)
    generator = DCGANGenerator(latent_dim=4, width=4, **settings).eval()
    for weight in generator.parameters():  # as large as they become: as they are made, all that it draws is grey
        weight.data *= 8
    return generator


def test_its_own_image_is_found_again_from_other_latents():
    generator = generator_of()
    image = generator.sample(1, seed=123)[0]
    found = invert(generator, image, starts=4, steps=30)
    assert found.distances[0] < 0.05 and found.curve[0].min() > 1
    assert torch.equal(found.distances, found.distances.sort().values) and torch.equal(found.curve[-1], found.distances)
    torch.testing.assert_close(found.images, generator.sample(latents=found.latents))
    torch.testing.assert_close((found.images - image).flatten(1).norm(dim=1), found.distances)
    assert found.steps == [0, 10, 20, 30, 40] and found.curve.shape == (5, 4) and found.path.shape == (5, 1, 28, 28)
    torch.testing.assert_close((found.path - image).flatten(1).norm(dim=1), found.curve[:, 0])


def test_of_a_generator_with_classes_the_class_is_found_too():
    generator = generator_of(num_classes=3)
    image = generator.sample(1, seed=123, labels=2)[0]
    found = invert(generator, image, starts=6, steps=30)
    assert found.labels is not None and found.labels[0] == 2 and found.distances[0] < 0.05
    torch.testing.assert_close(found.images, generator.sample(latents=found.latents, labels=found.labels))


def test_the_generator_is_left_as_it_was():
    generator = generator_of().train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    invert(generator, torch.zeros(1, 28, 28), starts=1, steps=1)
    assert generator.training and all(weight.requires_grad and weight.grad is None for weight in generator.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in generator.state_dict().items())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 28, 28), "the image is 3 x 28 x 28, the generator draws 1 x 28 x 28"),
        (torch.full((1, 28, 28), 2.0), "0"),
    ],
)
def test_what_is_no_image_of_its_kind_is_refused(image, message):
    with pytest.raises(UserError, match=message):
        invert(generator_of(), image, starts=1, steps=1)
