"""What every family of networks promises, at every size, with and without classes."""

import json

import pytest
import torch
from torch import nn

from fooling import Pretrained
from fooling.errors import UserError
from fooling.seeds import seeded
from gan.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    Discriminator,
    Generator,
    ResidualDiscriminator,
    ResidualGenerator,
    SNGANDiscriminator,
    SNGANGenerator,
    Verdict,
    verdict_of,
)
from gan.networks.generator import ToMaps
from gan.networks.residual import Clamp, Downsample, Upsample
from gan.networks.sngan import GeneratorBlock

SIZES = [28, 32, 64, 128]
GENERATORS = {
    "dcgan": (DCGANGenerator, {}),
    "dcgan-bare": (DCGANGenerator, {"normalization": "none"}),
    "residual": (ResidualGenerator, {"stride": 1}),
    "residual-deep": (ResidualGenerator, {"blocks": 2, "max_width": 4}),
    "sngan": (SNGANGenerator, {"max_width": 3}),
}
DISCRIMINATORS = {
    "dcgan": (DCGANDiscriminator, {}),
    "dcgan-spectral": (DCGANDiscriminator, {"spectral_norm": True}),
    "residual": (ResidualDiscriminator, {"stride": 1}),
    "residual-deep": (ResidualDiscriminator, {"blocks": 2, "max_width": 4}),
    "sngan": (SNGANDiscriminator, {"max_width": 3}),
}
LABELS = torch.tensor([0, 2, 1, 0])
each_size = pytest.mark.parametrize("image_size", SIZES)
each_generator = pytest.mark.parametrize("family", GENERATORS)
each_discriminator = pytest.mark.parametrize("family", DISCRIMINATORS)
each_way_to_draw = pytest.mark.parametrize("conditioning", [None, "concatenation", "normalization"])
each_way_to_tell = pytest.mark.parametrize("conditioning", [None, "projection", "auxiliary"])


def given(conditioning: str | None) -> dict:
    return {} if conditioning is None else {"num_classes": 3, "conditioning": conditioning}


def generator(family: str, conditioning: str | None = None, *, image_size: int = 28, **options) -> Generator:
    """A tiny one, whose weights are none of them zero, as after some training."""
    cls, own = GENERATORS[family]
    with seeded(0):
        return stirred(cls(image_size=image_size, latent_dim=5, width=2, **{**own, **given(conditioning), **options}))


def discriminator(family: str, conditioning: str | None = None, *, image_size: int = 28, **options) -> Discriminator:
    cls, own = DISCRIMINATORS[family]
    with seeded(0):
        return stirred(cls(image_size=image_size, width=2, **{**own, **given(conditioning), **options}))


def stirred(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return network


def labels_for(network: nn.Module) -> list[torch.Tensor]:
    return [LABELS] if network.num_classes else []


def latents(n: int = 4) -> torch.Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(1))


def images(image_size: int = 28, channels: int = 1) -> torch.Tensor:
    return torch.rand(4, channels, image_size, image_size, generator=torch.Generator().manual_seed(2))


def check_generator(network: Generator, image_size: int, channels: int = 1) -> None:
    """Shape and range; and under autocast float32, near to what it is in full."""
    drawn = network(latents(), *labels_for(network))
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(latents(), *labels_for(network))
    for some in (drawn, rough):
        assert some.shape == (4, channels, image_size, image_size) and some.dtype == torch.float32
        assert 0 <= some.min() < some.max() <= 1
    assert (drawn - rough).abs().mean() < 0.05


def check_discriminator(network: Discriminator, image_size: int, channels: int = 1) -> None:
    shown = images(image_size, channels)
    exact = verdict_of(network, shown, *labels_for(network))
    with torch.autocast("cpu", torch.bfloat16):
        said = network(shown, *labels_for(network))
    rough = said if isinstance(said, Verdict) else Verdict(said)
    for verdict in (exact, rough):
        assert verdict.scores.shape == (4,) and verdict.scores.dtype == torch.float32
        if verdict.class_logits is not None:
            assert verdict.class_logits.shape == (4, 3) and verdict.class_logits.dtype == torch.float32
            assert verdict.features.shape[0] == 4 and verdict.features.ndim == 2
    assert (exact.class_logits is not None) == isinstance(said, Verdict)
    assert (exact.scores - rough.scores).abs().max() < 0.1 * (1 + exact.scores.abs().max())


@each_size
@each_generator
def test_every_size_is_drawn(family, image_size):
    check_generator(generator(family, image_size=image_size, channels=3), image_size, channels=3)


@each_size
@each_discriminator
def test_every_size_is_scored(family, image_size):
    check_discriminator(discriminator(family, image_size=image_size, channels=3), image_size, channels=3)


@each_way_to_draw
@each_generator
def test_a_generator_draws_the_class_that_it_is_asked_for(family, conditioning):
    network = generator(family, conditioning)
    check_generator(network, 28)
    assert network.num_classes == (3 if conditioning else 0)
    if conditioning:
        with torch.no_grad():
            one, other = (network.eval()(latents(), torch.full((4,), label)) for label in (0, 1))
        assert not torch.equal(one, other)


@each_way_to_tell
@each_discriminator
def test_a_discriminator_is_told_the_class_or_tells_it(family, conditioning):
    network = discriminator(family, conditioning)
    check_discriminator(network, 28)
    assert network.num_classes == (3 if conditioning else 0)
    scores = [verdict_of(network.eval(), images(), *([torch.full((4,), k)] if conditioning else [])) for k in (0, 1)]
    assert torch.equal(scores[0].scores, scores[1].scores) == (conditioning != "projection")


@each_way_to_draw
@each_generator
def test_a_generator_comes_back_from_its_folder_to_the_bit(family, conditioning, tmp_path):
    network = generator(family, conditioning).train()
    network(latents(), *labels_for(network))  # for BatchNorm to remember
    folder = network.save_pretrained(tmp_path / "saved")
    expected = network.sample(5, seed=3)
    for base in (Generator, Pretrained, type(network)):
        loaded = base.from_pretrained(folder)
        assert type(loaded) is type(network) and loaded.config == network.config
        assert torch.equal(loaded.sample(5, seed=3), expected)


@each_way_to_tell
@each_discriminator
def test_a_discriminator_comes_back_from_its_folder_to_the_bit(family, conditioning, tmp_path):
    network = discriminator(family, conditioning)
    folder = network.save_pretrained(tmp_path / "saved")
    loaded = Discriminator.from_pretrained(folder)
    assert type(loaded) is type(network) and isinstance(loaded, Discriminator)
    got, want = (verdict_of(n.eval(), images(), *labels_for(n)) for n in (loaded, network))
    assert torch.equal(got.scores, want.scores)
    with pytest.raises(UserError, match="not a Generator"):
        Generator.from_pretrained(folder)


@each_way_to_draw
@each_generator
def test_every_weight_of_a_generator_is_learned(family, conditioning):
    network = generator(family, conditioning)
    weights = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    (network(latents(), *labels_for(network)) * weights).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@each_way_to_tell
@each_discriminator
def test_every_weight_of_a_discriminator_is_learned_through_scores_and_through_penalties(family, conditioning):
    """A penalty is on the gradient of the scores with respect to the images."""
    network = discriminator(family, conditioning)
    shown = images().requires_grad_()
    said = verdict_of(network, shown, *labels_for(network))
    (gradient,) = torch.autograd.grad(said.scores.sum(), shown, create_graph=True)
    of_penalty = torch.autograd.grad(
        gradient.square().sum(), [*network.parameters()], allow_unused=True, retain_graph=True
    )
    classes = 0 if said.class_logits is None else said.class_logits.square().sum()
    (said.scores.square().sum() + classes).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    without = {n for (n, _), g in zip(network.named_parameters(), of_penalty, strict=True) if g is None or not g.any()}
    assert all("bias" in name or (conditioning == "auxiliary" and "classes" in name) for name in without), without


@pytest.mark.parametrize("family", ["dcgan", "residual", "residual-deep"])
def test_a_score_is_that_of_its_image_alone(family):
    """Which a penalty on the gradient, image by image, takes for granted."""
    network, shown = discriminator(family).train(), images()
    with torch.no_grad():
        torch.testing.assert_close(network(shown)[:2], network(shown[:2]), rtol=1e-4, atol=1e-6)


@each_way_to_draw
@each_generator
def test_an_image_is_that_of_its_latent_alone_in_evaluation(family, conditioning):
    network = generator(family, conditioning).eval()
    labels = labels_for(network)
    with torch.no_grad():
        torch.testing.assert_close(
            network(latents(), *labels)[:2],
            network(latents()[:2], *(part[:2] for part in labels)),
            rtol=1e-4,
            atol=1e-6,
        )


@pytest.mark.parametrize("cls", [ResidualGenerator, SNGANGenerator, ResidualDiscriminator, SNGANDiscriminator])
def test_a_size_that_cannot_be_is_refused_by_every_family(cls):
    with pytest.raises(UserError, match="image_size 30 is impossible"):
        cls(image_size=30)


def test_what_a_family_cannot_be_made_of_is_refused():
    for options, message in [
        (dict(stride=3), "stride must be 1 or 2, got 3"),
        (dict(blocks=0), "blocks must be a whole number of at least 1"),
        (dict(max_width=0), "max_width must be"),
        (dict(conditioning="concatenation"), "conditioning concatenation needs num_classes"),
        (dict(num_classes=0), "num_classes must be"),
    ]:
        with pytest.raises(UserError, match=message):
            ResidualGenerator(**options)


def test_a_dcgan_is_what_the_bases_make_and_is_saved_as_ever(tmp_path):
    assert type(Generator(width=2)) is DCGANGenerator and type(Discriminator(width=2)) is DCGANDiscriminator
    for network in (Generator(width=2), Discriminator(width=2)):
        config = json.loads((network.save_pretrained(tmp_path / "saved") / "config.json").read_text())
        noun = "Generator" if isinstance(network, Generator) else "Discriminator"
        assert config.pop("class") == noun
        size = {"image_size": 28, "channels": 1, "width": 2, "kernel_size": 4}
        own = {"latent_dim": 64, "normalization": "batch"} if noun == "Generator" else {"normalization": "none"}
        assert config == size | own


class TestTheFamiliesAreThePapers:
    def test_r3gan_has_the_parameters_of_its_paper(self):
        """CIFAR-10's, at a quarter of its width: 1 x 1, 3 x 3 in groups of 16 and 1 x 1, two blocks at each side."""
        network = ResidualGenerator(image_size=32, channels=3, width=192, max_width=192, blocks=2, stride=1)
        block = 192 * 384 + 384 * 16 * 9 + 384 * 192 + 2 * 384
        basis = 192 * 16 + 64 * 192
        assert sum(p.numel() for p in network.parameters()) == 8 * block + basis + 192 * 3 + 3
        mirror = ResidualDiscriminator(image_size=32, channels=3, width=192, max_width=192, blocks=2, stride=1)
        head = 192 * 16 + 192 + 1
        assert sum(p.numel() for p in mirror.parameters()) == 8 * block + head + 3 * 192 + 192

    def test_residual_blocks_begin_as_nothing(self):
        with seeded(0):
            network = ResidualGenerator(width=4)
        plain = nn.Sequential(*(m for m in network.layers if type(m).__name__ != "ResidualBlock"))
        with torch.no_grad():
            want = (plain(torch.ones(2, 64)) / 2 + 0.5).clamp(0, 1)
            torch.testing.assert_close(network(torch.ones(2, 64)), want)

    def test_what_is_out_of_range_is_led_back_and_never_further_out(self):
        x = torch.tensor([-5.0, -5, 0.5, 0.5, 7, 7], requires_grad=True)
        clamped = Clamp.apply(x)
        assert clamped.tolist() == [0, 0, 0.5, 0.5, 1, 1]
        clamped.backward(torch.tensor([-1.0, 1, -1, 1, -1, 1]))  # what is followed downhill
        assert x.grad.tolist() == [-1, 0, -1, 1, 0, 1]

    def test_a_residual_generator_that_has_gone_black_still_learns(self):
        with seeded(0):
            network = ResidualGenerator(width=2, stride=1)
        nn.init.constant_(network.layers[-1].bias, -9)
        images = network(torch.randn(3, 64))
        assert images.max() == 0
        (-images.sum()).backward()
        assert network.layers[-1].bias.grad.item() == -images.numel() / 2

    def test_what_is_resampled_is_bilinear(self):
        """As torch's own inside, and nothing is added at the border."""
        x = torch.rand(2, 3, 8, 8)
        up = nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
        down = nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
        for got, want in ((Upsample()(x), up), (Downsample()(x), down)):
            assert got.shape == want.shape
            torch.testing.assert_close(got[..., 1:-1, 1:-1], want[..., 1:-1, 1:-1])

    @pytest.mark.parametrize(
        ("image_size", "width", "max_width", "sides", "features"),
        [
            (32, 256, 256, [4, 8, 16, 32], [256] * 4),
            (28, 64, 64, [7, 14, 28], [64] * 3),
            (64, 64, 1024, [4, 8, 16, 32, 64], [1024, 512, 256, 128, 64]),
            (128, 64, 1024, [4, 8, 16, 32, 64, 128], [1024, 1024, 512, 256, 128, 64]),
        ],
    )
    def test_sngans_widths_are_those_of_its_tables(self, image_size, width, max_width, sides, features):
        scale = 32  # less, which leaves their ratios
        network = SNGANGenerator(image_size=image_size, width=width // scale, max_width=max_width // scale)
        shapes, x = [], torch.randn(2, 64)
        for layer in network.layers:
            x = layer(x)
            if isinstance(layer, ToMaps | GeneratorBlock):
                shapes.append(tuple(x.shape[1:]))
        assert shapes == [(f // scale, s, s) for f, s in zip(features, sides, strict=True)]

    @pytest.mark.parametrize(
        ("image_size", "width", "max_width", "shapes"),
        [
            (32, 128, 128, [(128, 16), (128, 8), (128, 8), (128, 8)]),
            (28, 128, 128, [(128, 14), (128, 7), (128, 7), (128, 7)]),
            (64, 64, 1024, [(64, 32), (128, 16), (256, 8), (512, 4), (1024, 2)]),
            (128, 64, 1024, [(64, 64), (128, 32), (256, 16), (512, 8), (1024, 4), (1024, 4)]),
        ],
    )
    def test_so_are_its_discriminators(self, image_size, width, max_width, shapes):
        scale = 32
        network = SNGANDiscriminator(image_size=image_size, width=width // scale, max_width=max_width // scale)
        found, x = [], images(image_size)
        for layer in network.layers[:-1]:
            x = layer(x)
            found.append(tuple(x.shape[1:3]))
        assert found == [(f // scale, s) for f, s in shapes]

    def test_every_layer_of_sngans_discriminator_stretches_by_one_at_most(self):
        with seeded(0):
            network = SNGANDiscriminator(width=8, num_classes=3).eval()
        layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        assert len(layers) == 12  # two and a shortcut in two blocks, two in two, and the score and the classes
        for layer in layers:
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)
