"""Each kind of GAN is objects put together by its configuration: all of them train, and resume exactly."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import final_state, tensors_of

from fooling import Classifier, load_classifier
from fooling.data.load import DataConfig
from fooling.errors import UserError
from fooling.files import write_png
from fooling.run.checkpoints import list_checkpoints
from fooling.run.tracking import WandbConfig
from fooling.teach.negatives import ClimbConfig, NegativesConfig
from gan import Generator, TrainConfig, train
from gan.config import (
    AugmentConfig,
    ClassLossConfig,
    DiscriminatorConfig,
    EmaConfig,
    GeneratorConfig,
    MetricsConfig,
    OptimizerConfig,
    PenaltyConfig,
    SamplesConfig,
    ScheduleConfig,
)
from gan.losses import NonSaturating, loss_named
from gan.penalties import R1


def config(folder: Path, **settings) -> TrainConfig:
    small = {
        "generator": GeneratorConfig(width=4), "discriminator": DiscriminatorConfig(width=4), "kimg": 0.256,
        "samples": SamplesConfig(kimg=0.128, count=20), "metrics": MetricsConfig(kimg=0), "checkpoint_kimg": 0.096,
        "log_kimg": 0.064, "batch_size": 32, "threads": 1, "wandb": WandbConfig(mode="disabled"),
    }  # fmt: skip
    return TrainConfig(output=str(folder), **{**small, **settings})


CONDITIONAL = {
    "generator": GeneratorConfig(width=4, conditioning="concatenation"),
    "discriminator": DiscriminatorConfig(width=4, conditioning="projection"),
}
KINDS = {
    "conditional, three steps, ADA, schedules": {
        **CONDITIONAL, "discriminator_steps": 3, "loss": "hinge", "penalty": PenaltyConfig(kind="r1", every=2),
        "augment": AugmentConfig(policy=["translation", "cutout"], target=0.5, kimg=1), "kimg": 0.768,
        "checkpoint_kimg": 0.288,
        "schedule": ScheduleConfig(warm_up=0.2, hold=0.3), "ema": EmaConfig(final_half_life_kimg=20),
        "optimizer": OptimizerConfig(final_learning_rate=1e-4, final_beta2=0.999),
    },
    "K + 1 classes, few labels, feature matching": {
        "discriminator": DiscriminatorConfig(network="classifier"), "loss": "non-saturating", "labels_per_class": 10,
        "penalty": PenaltyConfig(gamma=0), "class_loss": ClassLossConfig(feature_matching=1, adversarial=False),
    },
    "least squares, smoothed labels, spectral norm, fp16": {
        "discriminator": DiscriminatorConfig(width=4, spectral_norm=True), "loss": "least-squares",
        "label_smoothing": 0.1, "penalty": PenaltyConfig(gamma=0), "mixed_precision": "fp16",
    },
    "K + 1 classes, negatives of climbs that go on": {
        "discriminator": DiscriminatorConfig(network="classifier"), "loss": "non-saturating",
        "negatives": NegativesConfig(climbed=4, persistent=4, noise=4, climb=ClimbConfig(steps=2)),
    },
    "AC-GAN, conditional normalisation, DRAGAN": {
        "generator": GeneratorConfig(width=4, conditioning="normalization"), "loss": "saturating",
        "discriminator": DiscriminatorConfig(width=4, conditioning="auxiliary"), "penalty": PenaltyConfig("dragan", 10),
    },
    "residual, WGAN-GP": {
        "generator": GeneratorConfig(network="residual", width=4, group_width=2), "loss": "wasserstein",
        "discriminator": DiscriminatorConfig(network="residual", width=4, group_width=2),
        "penalty": PenaltyConfig("wgan-gp", 10, every=1), "optimizer": OptimizerConfig(learning_rate=1e-4),
    },
    "SNGAN": {
        "generator": GeneratorConfig(network="sngan", width=4), "loss": "hinge", "penalty": PenaltyConfig(gamma=0),
        "discriminator": DiscriminatorConfig(network="sngan", width=4), "discriminator_steps": 2, "kimg": 0.512,
    },
}  # fmt: skip
QUICK = list(KINDS)[:3]


@dataclass
class Cut:
    """A loss of somebody's own: another's, that fails at a certain call."""

    loss: object
    calls: int

    @property
    def generator_needs_real(self):
        return self.loss.generator_needs_real

    @property
    def boundary(self):
        return getattr(self.loss, "boundary", None)

    def discriminator(self, real_scores, fake_scores):
        self.calls -= 1
        if self.calls < 0:
            raise InterruptedError
        return self.loss.discriminator(real_scores, fake_scores)

    def generator(self, real_scores, fake_scores):
        return self.loss.generator(real_scores, fake_scores)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Bit for bit; where climbs never were, a persistent pool has NaN."""
    return torch.equal(one.isnan(), other.isnan()) and torch.equal(one.nan_to_num(), other.nan_to_num())


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in QUICK else pytest.mark.slow) for kind in KINDS]
)
def test_it_trains_and_resumes_exactly(kind, tmp_path):
    settings = KINDS[kind]
    generator = train(config(tmp_path / "whole", **settings))
    assert generator.sample(3).shape == (3, 1, 28, 28) and not generator.training
    steps = round(config(tmp_path, **settings).kimg * 1000 / 32)  # of the discriminator
    with pytest.raises(InterruptedError):
        own = Cut(loss_named(config(tmp_path, **settings).loss, settings.get("label_smoothing", 0)), steps * 3 // 4)
        train(config(tmp_path / "cut", **settings), loss=own)
    assert list_checkpoints(tmp_path / "cut" / "checkpoints")
    train(config(tmp_path / "cut", **settings))
    got, want = (tensors_of(final_state(tmp_path / name)) for name in ("cut", "whole"))
    assert got.keys() == want.keys() and [name for name in want if not _same(got[name], want[name])] == []
    saved = Generator.from_pretrained(tmp_path / "cut" / "generator")  # whichever family it is of
    # Rounding is another where weights lie otherwise in memory, as they do while they are trained.
    torch.testing.assert_close(saved.sample(3), generator.sample(3), rtol=0, atol=1e-5)
    lines = [json.loads(line) for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["discriminator_gradient_norm"] > 0 and lines[-1]["seconds_outside_steps"] >= 0


def test_a_classifying_discriminator_is_a_classifier_that_anything_of_fooling_takes(tmp_path):
    settings = KINDS[QUICK[1]]
    train(config(tmp_path, **{**settings, "mixed_precision": "no"}))
    classifier = load_classifier(tmp_path)
    assert isinstance(classifier, Classifier) and classifier.reject_class and classifier.num_classes == 10
    assert classifier(torch.rand(2, 1, 28, 28)).shape == (2, 11)


def test_it_learns_to_reject_negatives_beside_what_the_generator_draws(tmp_path):
    said = {}
    for name, noise in (("without", 0), ("with", 16)):
        settings = {
            "loss": "non-saturating", "discriminator": DiscriminatorConfig(network="classifier"), "kimg": 2,
            "checkpoint_kimg": 2,
        }  # fmt: skip
        train(config(tmp_path / name, **settings, negatives=NegativesConfig(noise=noise, kinds=["white", "binary"])))
        white = torch.ones(1, 1, 28, 28)
        said[name] = load_classifier(tmp_path / name)(white).softmax(1)[0, -1].item()
    assert said["with"] > 0.9 and said["with"] > said["without"] + 0.1


def test_negatives_need_a_critic_that_can_reject_and_no_pool(tmp_path):
    with pytest.raises(UserError, match=r"discriminator\.network classifier"):
        config(tmp_path, negatives=NegativesConfig(noise=4))
    settings = {"discriminator": DiscriminatorConfig(network="classifier"), "loss": "non-saturating"}
    with pytest.raises(UserError, match="a GAN has none"):
        train(config(tmp_path, **settings, negatives=NegativesConfig(pool=4)))


def test_a_conditional_generator_draws_what_it_is_asked_for_and_its_samples_are_a_sheet_of_classes(tmp_path):
    generator = train(config(tmp_path, **CONDITIONAL))
    assert generator.num_classes == 10
    one, other = generator.sample(labels=[3, 3]), generator.sample(labels=[3, 8])
    assert torch.equal(one[0], other[0]) and not torch.equal(one[1], other[1])
    with pytest.raises(UserError, match="labels must be from 0 to 9, got 10"):
        generator.sample(labels=[10])
    card = (tmp_path / "generator" / "README.md").read_text()
    assert "generator.sample(64, labels=3)" in card


class TestFromPython:
    def test_a_loss_and_a_penalty_of_ones_own(self, tmp_path):
        seen = []

        class Own(NonSaturating):
            def generator(self, real_scores, fake_scores):
                seen.append(len(fake_scores))
                return super().generator(real_scores, fake_scores)

        gammas = []

        def penalty(gamma):
            gammas.append(gamma)
            return R1(gamma)

        train(config(tmp_path, penalty=PenaltyConfig(gamma=0.5, every=2)), loss=Own(), penalty=penalty)
        assert seen == [32] * 8 and gammas == [1.0] * 4

    def test_classes_are_needed_where_they_are_used(self, tmp_path):
        for number in range(100):
            write_png(np.full((16, 16, 3), number, np.uint8), tmp_path / "grey" / f"{number}.png")
        data = DataConfig("folder", folder=str(tmp_path / "grey"), root=str(tmp_path / "cache"), image_size=16)
        with pytest.raises(UserError, match="conditioning concatenation needs data with classes"):
            train(config(tmp_path / "run", data=data, **CONDITIONAL))
        assert not (tmp_path / "run").exists()
