"""Every parametrization makes images in [0, 1], one from each row of its params, the same from the same seed."""

import math

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian

from fooling.classifiers.frozen import check_fit
from fooling.classifiers.networks import LeNet
from fooling.climb.parametrizations import CPPN, Fourier, Latent, Pixels
from fooling.climb.through import Shell
from fooling.errors import UserError
from fooling.images import Images, blurred, check_images

SHAPE = (3, 10, 7)


class Draws(nn.Module):
    """A generator: latents (n, 5) to images of SHAPE."""

    latent_dim = 5

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, math.prod(SHAPE))

    def forward(self, latents):
        return self.layer(latents).sigmoid().view(-1, *SHAPE)


GENERATOR = Draws()
MAKERS = {
    "noise": lambda seed: Pixels.noise(4, shape=SHAPE, seed=seed),
    "smooth": lambda seed: Pixels.smooth(4, shape=SHAPE, seed=seed),
    "permuted": lambda seed: Pixels(torch.linspace(0, 1, 840).view(4, *SHAPE)).permuted(seed=seed),
    "fourier": lambda seed: Fourier.noise(4, shape=SHAPE, seed=seed),
    "cppn": lambda seed: CPPN.noise(4, shape=SHAPE, seed=seed),
    "latent": lambda seed: Latent.noise(GENERATOR, 4, seed=seed),
    "shell": lambda seed: Shell.noise(GENERATOR, 4, seed=seed),
}
EACH = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@EACH
def test_images_are_in_range_and_in_shape(make):
    start = make(0)
    images = start.image_fn(start.params)
    assert len(start) == 4 and images.shape == (4, *SHAPE)
    check_images(images.detach())
    far = start.clip(start.params + 100 * torch.randn_like(start.params))
    check_images(start.image_fn(far).detach())


@EACH
def test_each_image_comes_from_its_own_params(make):
    start = make(0)
    slopes = jacobian(lambda params: start.image_fn(params).flatten(1).sum(1), start.params).flatten(2).abs().sum(2)
    assert torch.equal(slopes, slopes.diag().diag()) and (slopes.diag() > 0).all()
    torch.testing.assert_close(start.image_fn(start.params)[2:3], start.image_fn(start.params[2:3]))


@EACH
def test_a_seed_makes_the_same_start_and_leaves_the_global_generator_alone(make):
    state = torch.get_rng_state()
    first, again, other = make(3).params, make(3).params, make(4).params
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


# Every 60th number of three images from the 35th on.
DRAWN = {
    "noise": [0.803345442, 0.947486043, 0.210905612, 0.997226834, 0.583859146, 0.677124739, 0.445195079],
    "smooth": [0.512323558, 0.148591965, 0.376579136, 1.0, 0.62074703, 0.635766447, 0.363534778],
    "wider": [0.501018524, 0.141214117, 0.41037178, 1.0, 0.630382836, 0.618372262, 0.358864754],
    "permuted": [0.0819444433, 0.109722219, 0.205555558, 0.224999994, 0.362500012, 0.408333331, 0.544444442],
}
DRAWING = {
    "noise": lambda shape: Pixels.noise(3, shape=shape, seed=1),
    "smooth": lambda shape: Pixels.smooth(3, shape=shape, seed=1),
    "wider": lambda shape: Pixels.smooth(3, shape=shape, sigma=(0.5, 3.0), seed=1),
    "permuted": lambda shape: Pixels((torch.arange(432.0) / 720).view(3, *shape)).permuted(seed=1),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_seed_draws_the_pixels_it_always_drew(name):
    """A climb that somebody shows with its seed begins where it began."""
    images, to_the_bit = DRAWING[name]((2, 8, 9)).params, name in ("noise", "permuted")  # the others are convolved
    tolerance = 0 if to_the_bit else 1e-6
    torch.testing.assert_close(images.flatten()[35::60], torch.tensor(DRAWN[name]), rtol=0, atol=tolerance)


def test_flat_starts():
    for make, value in ((Pixels.black, 0.0), (Pixels.grey, 0.5), (Pixels.white, 1.0)):
        assert torch.equal(make(2).params, torch.full((2, 1, 28, 28), value))


def test_noise_is_uniform():
    pixels = Pixels.noise(100).params
    assert pixels.shape == (100, 1, 28, 28)
    assert abs(pixels.mean() - 1 / 2) < 0.005 and abs(pixels.var() - 1 / 12) < 0.002


def test_smooth_noise_is_smoother_and_fills_the_range():
    rough, smooth = Pixels.noise(20).params, Pixels.smooth(20).params
    assert smooth.diff(dim=3).abs().mean() < rough.diff(dim=3).abs().mean() / 3
    torch.testing.assert_close(smooth.amin((1, 2, 3)), torch.zeros(20))
    torch.testing.assert_close(smooth.amax((1, 2, 3)), torch.ones(20))


def test_permuting_keeps_each_images_colours_and_moves_them_differently():
    images = torch.rand(1, 3, 8, 8).expand(5, -1, -1, -1)
    moved = Pixels(images).permuted(seed=1).params
    for before, after in zip(images, moved, strict=True):
        colours = lambda image: sorted(map(tuple, image.flatten(1).T.tolist()))  # noqa: E731
        assert colours(before) == colours(after)
    assert not torch.equal(moved[0], moved[1])


def test_images_of_a_data_set_are_distinct_and_scaled():
    data = Images(torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1), None)
    drawn = Pixels.of(data, 10, seed=2).params.flatten() * 255
    assert sorted(drawn.round().tolist()) == list(range(10))
    assert len(Pixels.of("mnist", 3)) == 3
    with pytest.raises(UserError, match="has 10 images, 11"):
        Pixels.of(data, 11)


def test_fourier_decay_makes_smoother_images():
    roughness = []
    for decay in (0.0, 1.0, 2.0):
        start = Fourier.noise(20, decay=decay, std=0.1)
        images = start.image_fn(start.params)
        assert images.shape == (20, 1, 28, 28)
        roughness.append((images.diff(dim=3).std() / images.std()).item())
    assert roughness[0] > 1.2 * roughness[1] > 1.44 * roughness[2]


def test_a_cppn_can_be_drawn_at_any_size():
    small = CPPN.noise(2, shape=(1, 9, 9), seed=1)
    large = CPPN(small.params, shape=(1, 33, 33))
    coarse = large.image_fn(small.params)[:, :, ::4, ::4]
    torch.testing.assert_close(coarse, small.image_fn(small.params))


def test_fourier_images_of_odd_and_even_width_keep_their_size():
    for width in (7, 8):
        start = Fourier.noise(1, shape=(1, 6, width))
        assert start.image_fn(start.params).shape == (1, 1, 6, width)


REFUSED = {
    "bright": (lambda: Pixels(torch.full((3, 1, 2, 2), 1.5)), r"image 0 is outside \[0, 1\]: its values go from 1.5"),
    "dark": (lambda: Pixels(torch.stack([torch.zeros(1, 2, 2), -torch.ones(1, 2, 2)])), "image 1 is outside"),
    "nan": (lambda: Pixels(torch.tensor([0.0, torch.nan]).view(2, 1, 1, 1)), "image 1 is outside"),
    "bytes": (lambda: Pixels(torch.zeros(1, 1, 2, 2, dtype=torch.uint8)), "must be float"),
    "one image": (lambda: Pixels(torch.zeros(1, 2, 2)), r"\(n, c, h, w\)"),
    "none": (lambda: Pixels.noise(0), "no images"),
    "cppn units": (lambda: CPPN.noise(1, hidden=6), "multiple of 4"),
    "cppn weights": (lambda: CPPN(torch.zeros(2, 3)), "weights, got a tensor of shape"),
    "latent_dim": (lambda: Latent.noise(nn.Identity(), 2), "latent_dim: pass it"),
    "size": (lambda: check_fit(LeNet(), torch.zeros(1, 3, 28, 28)), "3 x 28 x 28, the classifier takes 1 x 28 x 28"),
}


@pytest.mark.parametrize("call, message", REFUSED.values(), ids=REFUSED)
def test_what_is_no_image_is_refused_in_one_line(call, message):
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_blur_is_a_gaussian_of_the_width_asked_for():
    point = torch.zeros(2, 3, 41, 41, dtype=torch.float64)
    point[:, :, 20, 20] = 1
    out = blurred(point, torch.tensor([1.5, 3.0]))
    offsets = torch.arange(-20, 21.0, dtype=torch.float64)
    for image, sigma in zip(out, (1.5, 3.0), strict=True):
        for channel in image:
            assert channel.sum().item() == pytest.approx(1)
            spread = (channel.sum(0) * offsets.square()).sum().sqrt().item()
            assert spread == pytest.approx(sigma, rel=0.02)
    flat = torch.full((1, 1, 5, 5), 0.3)
    torch.testing.assert_close(blurred(flat, 2.0), flat)  # edges do not darken
    assert torch.equal(blurred(flat, 0.0), flat)
