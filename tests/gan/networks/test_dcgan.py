import math

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from fooling import Latent, Logit, ascend
from fooling.errors import UserError
from gan.latent import draw_latents
from gan.networks.dcgan import Discriminator, Generator, resolutions

SIZES = [28, 32, 64, 128]


def outputs_of(network: nn.Sequential, inputs: torch.Tensor, kinds: tuple) -> list[tuple]:
    shapes = []
    for layer in network:
        inputs = layer(inputs)
        if isinstance(layer, kinds):
            shapes.append(tuple(inputs.shape[1:]))
    return shapes


def kind_of(layer: nn.Module) -> str:
    """The name of torch's class that it is of, or derived from."""
    return next(kind.__name__ for kind in type(layer).__mro__ if kind.__module__.startswith("torch."))


def test_generator_is_the_papers_table_at_64_pixels():
    """Radford et al. 2016, figure 1, and the guidelines for stable networks above it."""
    generator = Generator(image_size=64, channels=3, latent_dim=100, width=128, kernel_size=5)
    shapes = outputs_of(generator.layers, torch.randn(2, 100), (nn.Unflatten, nn.ConvTranspose2d))
    assert shapes == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]
    convolutions = [m for m in generator.layers if isinstance(m, nn.ConvTranspose2d)]
    assert [c.kernel_size for c in convolutions] == [(5, 5)] * 4
    kinds = [kind_of(m) for m in generator.layers]
    assert kinds == ["Linear", "Unflatten", *["BatchNorm2d", "ReLU", "ConvTranspose2d"] * 4]


def test_discriminator_is_the_papers_table_at_64_pixels():
    discriminator = Discriminator(image_size=64, channels=3, width=128, kernel_size=5, normalization="batch")
    shapes = outputs_of(discriminator.layers, torch.rand(2, 3, 64, 64), (nn.Conv2d,))
    assert shapes == [(128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4)]
    kinds = [kind_of(m) for m in discriminator.layers]
    middle, last = ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 2, ["Conv2d", "BatchNorm2d", "Flatten", "LeakyReLU"]
    assert kinds == ["Conv2d", "LeakyReLU", *middle, *last, "Linear", "Flatten"]
    assert {m.negative_slope for m in discriminator.layers if isinstance(m, nn.LeakyReLU)} == {0.2}


def test_weights_start_as_in_the_paper():
    """All weights from N(0, 0.02): section 4 of the paper."""
    for network in (Generator(width=64), Discriminator(width=64, normalization="batch")):
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and module.weight.numel() > 10_000:
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
                assert abs(module.weight.mean().item()) < 0.001


def test_without_normalisation_scores_start_neither_silent_nor_wild():
    torch.manual_seed(0)
    for image_size in SIZES:
        scores = Discriminator(image_size=image_size, width=16)(torch.rand(64, 1, image_size, image_size))
        assert 0.02 < scores.std() < 5


@pytest.mark.parametrize("normalization", ["batch", "none"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kernel_size", [3, 4, 5])
@pytest.mark.parametrize("image_size", [*SIZES, 8, 14, 56])
def test_every_size_goes_through_both_networks(image_size, kernel_size, channels, normalization):
    shape = dict(
        image_size=image_size, channels=channels, width=2, kernel_size=kernel_size, normalization=normalization
    )
    images = Generator(latent_dim=5, **shape)(torch.randn(3, 5))
    assert images.shape == (3, channels, image_size, image_size)
    assert images.min() >= 0 and images.max() <= 1
    assert Discriminator(**shape)(images).shape == (3,)


@pytest.mark.parametrize("image_size", [30, 27, 7, 4, 0, -28, 100])
def test_an_impossible_size_is_refused(image_size):
    with pytest.raises(UserError, match=f"image_size {image_size} is impossible"):
        resolutions(image_size)


def test_the_score_is_that_of_images_in_0_1():
    """Grey, 0.5, is what the first layer sees as zero."""
    discriminator = Discriminator(width=4)
    seen = []
    discriminator.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    discriminator(torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 1, 28, 28))
    assert seen[0][:, 0, 0, 0].tolist() == [-1, 0, 1]


class TestBothEndsAreFloat32:
    """Under autocast, in which every convolution gives bfloat16."""

    def test_dark_pixels_still_learn(self):
        """At -4 the slope of tanh is 1.3e-3; in bfloat16, tanh is -1 there and its slope 0."""
        generator = Generator(width=2)
        last = generator.layers[-1]
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, -4)
        with torch.autocast("cpu", torch.bfloat16):
            images = generator(torch.randn(3, 64))
        assert images.dtype == torch.float32
        images.sum().backward()
        assert last.bias.grad.item() == pytest.approx(images.numel() * (1 - math.tanh(-4) ** 2) / 2, rel=1e-2)

    def test_near_scores_are_told_apart(self):
        """In bfloat16 the numbers next to 16 are 15.94 and 16.125."""
        discriminator = Discriminator(width=2)
        score = next(m for m in discriminator.modules() if isinstance(m, nn.Linear))
        nn.init.constant_(score.bias, 16)
        images = torch.rand(8, 1, 28, 28)
        with torch.autocast("cpu", torch.bfloat16):
            scores = discriminator(images)
        assert scores.dtype == torch.float32 and len(scores.unique()) == 8
        torch.testing.assert_close(scores, discriminator(images), rtol=0, atol=0.02)

    def test_a_network_of_doubles_gives_doubles(self):
        assert Discriminator(width=2).double()(torch.rand(2, 1, 28, 28).double()).dtype == torch.float64


class TestSample:
    generator = Generator(width=4, latent_dim=7)

    def test_the_same_seed_gives_the_same_images_whatever_the_batch_size(self):
        images = self.generator.sample(70, seed=3)
        assert images.shape == (70, 1, 28, 28) and images.dtype == torch.float32
        for batch_size in (1, 7, 1000):
            torch.testing.assert_close(self.generator.sample(70, seed=3, batch_size=batch_size), images)
        assert not torch.allclose(self.generator.sample(70, seed=4), images)

    def test_a_larger_count_begins_with_the_images_of_a_smaller(self):
        torch.testing.assert_close(self.generator.sample(130, seed=1)[:9], self.generator.sample(9, seed=1))
        assert torch.equal(draw_latents(1000, 3, 5)[:65], draw_latents(65, 3, 5))

    def test_latents_are_used_and_truncated(self):
        latents = torch.randn(4, 7)
        with torch.no_grad():
            expected = self.generator.eval()(latents * 0.5)
        torch.testing.assert_close(self.generator.sample(latents=latents, truncation=0.5), expected)
        middle = self.generator.sample(4, truncation=0.0)
        torch.testing.assert_close(middle, middle[:1].expand(4, -1, -1, -1))

    def test_it_leaves_the_generator_as_it_was(self):
        generator = Generator(width=4).train()
        before = {k: v.clone() for k, v in generator.state_dict().items()}
        generator.sample(5)
        assert generator.training
        assert all(torch.equal(v, before[k]) for k, v in generator.state_dict().items())

    def test_latents_are_standard_normal(self):
        latents = draw_latents(20_000, 4, 0)
        torch.testing.assert_close(latents.mean(0), torch.zeros(4), atol=0.03, rtol=0)
        torch.testing.assert_close(latents.T.cov(), torch.eye(4), atol=0.04, rtol=0)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (dict(count=0), "count must be a whole number of at least 1, got 0"),
            (dict(count=-2), "count must be"),
            (dict(count=5, batch_size=0), "batch_size must be"),
            (dict(latents=torch.zeros(2, 8)), r"latents must have shape \(count, 7\), got \(2, 8\)"),
            (dict(count=3, latents=torch.zeros(2, 7)), r"latents must have shape \(3, 7\), got \(2, 7\)"),
        ],
    )
    def test_bad_input_is_refused(self, arguments, message):
        with pytest.raises(UserError, match=message):
            self.generator.sample(**arguments)


def test_what_fools_a_classifier_can_move_in_its_latents():
    generator = Generator(latent_dim=5, width=4)
    assert Latent.noise(generator, 3).params.shape == (3, 5) == (3, generator.latent_dim)
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(784, 4))
    climbed = ascend(classifier, Logit(2), Latent.noise(generator, 3), steps=5)
    with torch.no_grad():
        torch.testing.assert_close(generator.eval()(climbed.params), climbed.images)


def test_blocks_of_a_discriminator_are_convolutions_that_keep_the_side():
    layers = [m for m in Discriminator(width=4, blocks=2).layers if isinstance(m, torch.nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.stride[0]) for m in layers] == [
        (1, 4, 2), (4, 4, 1), (4, 4, 1), (4, 8, 2), (8, 8, 1), (8, 8, 1), (8, 16, 2),
    ]  # fmt: skip
    assert "blocks" not in Discriminator(width=4).config  # a folder is as older versions wrote it


@pytest.mark.parametrize("penalised", [False, True])
def test_no_elementwise_kernel_of_a_step_meets_two_layouts(penalised):
    """Where it does, it takes twenty times as long: seen once, in 7 % of the time of a step."""
    generator, discriminator = (n.to(memory_format=torch.channels_last) for n in (Generator(), Discriminator(blocks=1)))
    layouts = Layouts()
    with layouts:
        images = generator(torch.randn(4, 64))
        scores = discriminator(images)
        (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=penalised)
        (gradient.square() if penalised else gradient * images).sum().backward()
    assert layouts.seen > 20
    assert not layouts.mixed


class Layouts(TorchDispatchMode):
    """Notes elementwise kernels whose maps are partly of channels innermost, partly outermost."""

    def __init__(self):
        super().__init__()
        self.seen, self.mixed = 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name, maps = str(function), [a for a in args if isinstance(a, torch.Tensor) and a.ndim == 4 and a.shape[0] == 4]
        if "relu" in name or "threshold" in name or "batch_norm" in name:
            self.seen += 1
            innermost = [m.is_contiguous(memory_format=torch.channels_last) for m in maps if m.shape == maps[0].shape]
            self.mixed += [] if all(innermost) else [name]
        return function(*args, **(kwargs or {}))
