"""Trainings that are broken on purpose are told of, where they run and in wandb."""

import pytest
from offline_wandb import Kept

from fooling.run.tracking import WandbConfig
from gan import TrainConfig, train
from gan.config import (
    DiscriminatorConfig,
    GeneratorConfig,
    MetricsConfig,
    OptimizerConfig,
    PenaltyConfig,
    SamplesConfig,
)

BROKEN = {
    "the discriminator wins outright": {
        "optimizer": OptimizerConfig(learning_rate=1e-5, discriminator_ratio=1000), "penalty": PenaltyConfig(gamma=0),
        "loss": "non-saturating", "kimg": 2.6,
    },
    "the generator's gradients have died": {
        "optimizer": OptimizerConfig(learning_rate=1e-4, discriminator_ratio=100), "penalty": PenaltyConfig(gamma=0),
        "loss": "saturating", "kimg": 3.8,
    },
    "the samples have collapsed": {
        "optimizer": OptimizerConfig(learning_rate=1.0, discriminator_ratio=3e-3), "kimg": 1.3,
        "metrics": MetricsConfig(kimg=0.4, count=200),
    },
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_it_says_when_it_happens_and_what_to_try(how, tmp_path, capsys):
    small = {
        "generator": GeneratorConfig(width=4), "discriminator": DiscriminatorConfig(width=8), "batch_size": 32,
        "samples": SamplesConfig(kimg=100, count=16), "metrics": MetricsConfig(kimg=0), "log_kimg": 0.064,
        "checkpoint_kimg": 100, "threads": 1, "wandb": WandbConfig(mode="offline" if "outright" in how else "disabled"),
    }  # fmt: skip
    train(TrainConfig(output=str(tmp_path / "run"), **{**small, **BROKEN[how]}))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    told = [line for line in lines if line.startswith(f"warning: {how} at ")]
    assert len(told) == 1 and " kimg, " in told[0] and "try " in told[0] and "--" in told[0], lines
    if "outright" in how:
        assert how in Kept(tmp_path / "run").text
