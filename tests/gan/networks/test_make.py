import subprocess
import sys

import pytest
import torch

from fooling.errors import MissingFile, UserError
from fooling.seeds import seeded
from gan import Generator
from gan.networks import AdaptedGenerator, Verdict, verdict_of
from gan.networks.make import (
    DISCRIMINATORS,
    GENERATORS,
    DiscriminatorConfig,
    GeneratorConfig,
    make_discriminator,
    make_generator,
)

SIZE = {"image_size": 32, "channels": 3}
THEIRS = """
import torch
from torch import nn
from gan import Generator
from gan.networks import Verdict


class Drawer(nn.Module):
    def __init__(self, image_size, channels, latent_dim, num_classes=0, steps=2):
        super().__init__()
        self.shape, self.num_classes = (channels, image_size, image_size), num_classes
        self.linear = nn.Linear(latent_dim + num_classes, channels * image_size**2)

    def forward(self, latents, labels=None):
        if self.num_classes:
            latents = torch.cat([latents, nn.functional.one_hot(labels, self.num_classes)], 1)
        return self.linear(latents).unflatten(1, self.shape).sigmoid()


class Wide(Generator):
    def __init__(self, *, width=3):
        super().__init__()
        self.config, self.latent_dim = {"width": width}, 4
        self.linear = nn.Linear(4, 3072)

    def forward(self, latents):
        return self.linear(latents).unflatten(1, (3, 32, 32)).sigmoid()


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3072, 1)

    def forward(self, images):
        return self.linear(images.flatten(1))


class Talker(Critic):
    def forward(self, images):
        return Verdict(super().forward(images).flatten(), features=images.flatten(1))


class Dark(Wide):
    def __init__(self):
        super().__init__()

    def forward(self, latents):
        return super().forward(latents) * 2 - 1


def small():
    return nn.Sequential(nn.Linear(64, 4), nn.Unflatten(1, (1, 2, 2)), nn.Sigmoid())


def five(**_):
    return 5


def failing(**everything):
    raise ValueError(f"no\\n{everything['width']}")


nothing = None
"""


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A module in the current directory, which is not on the path."""
    (tmp_path / "somebodys.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("somebodys", None)


def generator(**settings):
    return make_generator(GeneratorConfig(**settings), **SIZE, num_classes=3)


def discriminator(**settings):
    return make_discriminator(DiscriminatorConfig(**settings), **SIZE, num_classes=3)


@pytest.mark.parametrize("conditioning", ["none", "concatenation", "normalization"])
@pytest.mark.parametrize("network", GENERATORS)
def test_the_configuration_names_the_generators_family_and_its_conditioning(network, conditioning):
    made = generator(network=network, latent_dim=6, width=2, conditioning=conditioning)
    assert type(made).__name__.lower() == f"{network}generator"
    assert made.latent_dim == 6 and made.num_classes == (0 if conditioning == "none" else 3)
    assert made.config.get("conditioning", "none") == conditioning
    assert made.sample(4).shape == (4, 3, 32, 32)


@pytest.mark.parametrize("conditioning", ["none", "projection", "auxiliary"])
@pytest.mark.parametrize("network", sorted(DISCRIMINATORS.keys() - {"classifier"}))
def test_the_configuration_names_the_discriminators_family_and_its_conditioning(network, conditioning):
    made = discriminator(network=network, width=2, conditioning=conditioning)
    labels = None if conditioning == "none" else torch.tensor([0, 1, 2])
    verdict = verdict_of(made, torch.rand(3, 3, 32, 32), labels)
    assert verdict.scores.shape == (3,) and (verdict.class_logits is not None) == (conditioning == "auxiliary")


def test_settings_reach_the_network():
    made = generator(network="residual", latent_dim=6, width=2, max_width=4, blocks=2, group_width=2, stride=1)
    assert made.config == {
        "image_size": 32, "channels": 3, "latent_dim": 6, "width": 2, "max_width": 4, "blocks": 2, "group_width": 2,
        "stride": 1,
    }  # fmt: skip
    assert discriminator(spectral_norm=True).config["spectral_norm"] is True
    assert "spectral_norm" not in discriminator().config


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (generator, dict(network="dcgam"), "unknown generator.network 'dcgam': did you mean dcgan?"),
        (discriminator, dict(network="vgg"), "unknown discriminator.network 'vgg': expected dcgan, residual, sngan or"),
        (generator, dict(blocks=2), "blocks 2 is nothing for dcgan, which takes latent_dim, width, kernel_size"),
        (generator, dict(network="sngan", kernel_size=5), "kernel_size 5 is nothing for sngan, which takes latent_dim"),
        (discriminator, dict(network="sngan", spectral_norm=True), "spectral_norm True is nothing for sngan"),
        (generator, dict(width=0), "generator.width must be above 0, got 0"),
        (generator, dict(network="residual", blocks=-1), "generator.blocks must be above 0, got -1"),
        (generator, dict(network="residual", stride=4), "stride must be 1 or 2, got 4"),
        (generator, dict(network="nowhere:Net"), "cannot import nowhere:Net: No module named 'nowhere'"),
        (generator, dict(network="somebodys:Missing"), "cannot import somebodys:Missing: .*no attribute 'Missing'"),
        (generator, dict(network="somebodys:nothing"), "somebodys:nothing must be a class, or a function that makes"),
        (generator, dict(network="somebodys:five"), "somebodys:five must give a torch.nn.Module, it gave int"),
        (generator, dict(network="somebodys:failing"), "somebodys:failing failed with ValueError: no 32"),
        (generator, dict(network="somebodys:Dark"), r"in \[0, 1\], it gave values from -0.* let it end in a sigmoid"),
        (generator, dict(network="somebodys:small"), r"shape \(n, 3, 32, 32\), for n = 2 it gave \(2, 1, 2, 2\)"),
        (generator, dict(network="somebodys:small", latent_dim=5), "somebodys:small failed with RuntimeError: "),
        (generator, dict(network="somebodys:Drawer", width=3), "width 3 is nothing for .*, which takes latent_dim$"),
        (discriminator, dict(network="somebodys:Critic", width=3), "is nothing for .*, which takes no settings$"),
        (discriminator, dict(network="somebodys:five"), r"somebodys:five must give a torch\.nn\.Module"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused_in_one_line(make, settings, message, theirs):
    with pytest.raises(UserError, match=message) as caught:
        make(**settings)
    assert "\n" not in str(caught.value)


def test_conditioning_needs_classes():
    with pytest.raises(UserError, match="conditioning concatenation needs data with classes"):
        make_generator(GeneratorConfig(conditioning="concatenation"), **SIZE)


def test_anyones_generator_is_made_saved_and_sampled_as_ours(theirs, tmp_path):
    with seeded(0):
        made = generator(network="somebodys:Drawer", latent_dim=6)
        after = torch.rand(1)
    with seeded(0):  # the trial that it was given used up no random numbers
        sys.modules["somebodys"].Drawer(32, 3, 6, 3)
        assert torch.equal(torch.rand(1), after)
    assert isinstance(made, Generator) and made.num_classes == 3 and made.training
    folder = made.save_pretrained(tmp_path / "saved")
    loaded = Generator.from_pretrained(folder)
    assert type(loaded) is AdaptedGenerator
    assert torch.equal(loaded.sample(4, labels=[2, 2, 0, 1]), made.sample(4, labels=[2, 2, 0, 1]))


def test_a_file_does_not_have_anyones_module_imported(theirs, tmp_path):
    folder = generator(network="somebodys:Drawer").save_pretrained(tmp_path / "saved")
    del sys.modules["somebodys"]
    with pytest.raises(UserError, match=r"somebodys:Drawer must be imported before it is loaded: import somebodys$"):
        Generator.from_pretrained(folder)
    assert "somebodys" not in sys.modules


def test_anyones_subclass_is_taken_as_it_is(theirs, tmp_path):
    made = generator(network="somebodys:Wide", width=3)
    assert type(made).__name__ == "Wide" and made.num_classes == 0
    loaded = Generator.from_pretrained(made.save_pretrained(tmp_path / "saved"))
    assert torch.equal(loaded.sample(2), made.sample(2))


def test_anyones_discriminator_may_give_a_column_of_scores_or_a_verdict(theirs):
    images = torch.rand(3, 3, 32, 32)
    assert discriminator(network="somebodys:Critic")(images).shape == (3,)
    said = discriminator(network="somebodys:Talker")(images)
    assert isinstance(said, Verdict) and said.features.shape == (3, 3072)


def test_the_configurations_need_no_torch():
    code = "import sys; from fooling.options.light import without_torch\n"
    code += "with without_torch('gan.networks.make') as make: make.GeneratorConfig(network='sngan')\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_module_is_a_missing_file():
    with pytest.raises(MissingFile):
        generator(network="nowhere.at.all:Net")
