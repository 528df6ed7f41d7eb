"""SIGKILL at any moment, again and again: the same command goes on, and leaves what it would have left.

KILLS says how often each command is killed (once by default), KILL_SEED when.
"""

import json
import os
import random
import shutil
import subprocess
import time

import numpy as np
import pytest
import torch
from conftest import final_state, kill_family, tensors_of
from PIL import Image
from safetensors.torch import load_file

KILLS = int(os.environ.get("KILLS", "1"))
QUIET = ["--wandb.mode", "disabled", "--threads", "1"]
GAN = [
    "--generator.width", "2", "--discriminator.width", "2", "--samples.count", "4", "--metrics.kimg", "0",
    "--checkpoint_kimg", "0.064", "--log_kimg", "0.064", "--batch_size", "32", "--kimg", "1",
]  # fmt: skip
LADDER = [
    "--rungs", "plain", "harden", "generator", "--climbs", "100", "--steps", "5", "--samples", "200",
    "--audit.images", "1", "--audit.steps", "3", "--audit.walks", "2", "--audit.walk_steps", "3",
    "--plain.kimg", "2", "--harden.kimg", "0.5", "--harden.negatives.climbed", "4", "--harden.ramp_kimg", "0",
    "--harden.attack.count", "10", "--generator.kimg", "0.5", "--generator.generator.width", "4",
    "--generator.metrics.kimg", "0",
]  # fmt: skip


@pytest.fixture
def killed(commands):
    """Runs a command to its end, and again under SIGKILLs; gives the folders of both."""

    def of(module, *arguments, forget=None):
        source = random.Random(os.environ.get("KILL_SEED"))
        started = time.monotonic()
        done = commands.run(module, *arguments, *QUIET, "--output", "whole")
        took = time.monotonic() - started
        assert done.returncode == 0, done.stderr
        if forget:
            shutil.rmtree(forget)
        for kill in range(KILLS):
            process = commands.start(module, *arguments, *QUIET, "--output", "killed")
            try:
                out, err = process.communicate(timeout=source.uniform(0, took))
                assert process.returncode == 0, f"after {kill} kills: {out}{err}"  # the kills before have done so much
            except subprocess.TimeoutExpired:
                kill_family(process)
        done = commands.run(module, *arguments, *QUIET, "--output", "killed")
        assert done.returncode == 0, done.stderr
        left = [path.name for path in (commands.folder / "killed").rglob("*partial*")]
        assert not left
        return commands.folder / "whole", commands.folder / "killed"

    return of


def assert_same(whole, killed):
    want, got = (tensors_of(final_state(folder)) for folder in (whole, killed))
    assert want.keys() == got.keys()
    for name in want:
        torch.testing.assert_close(got[name], want[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.slow
def test_fooling_train(killed):
    arguments = ["--kimg", "4", "--checkpoint_kimg", "0.128", "--log_kimg", "0.128", "--batch_size", "32"]
    assert_same(*killed("fooling", "train", *arguments))


@pytest.mark.slow
def test_a_folder_of_images_whose_decoding_is_killed_too(killed, commands, tmp_path):
    """Each kill may come while the folder is read for the first time, and kept: what is kept is forgotten before."""
    source = np.random.default_rng(0)
    (commands.folder / "images").mkdir()
    for number in range(3000):
        pixels = source.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(commands.folder / "images" / f"{number}.png")
    commands.environment["FOOLING_CACHE"] = str(tmp_path / "cache")
    arguments = ["--data.name", "folder", "--data.folder", "images", "--data.image_size", "28", *GAN]
    whole, again = killed("gan", "train", *arguments, forget=tmp_path / "cache")
    assert_same(whole, again)
    assert not list((tmp_path / "cache").rglob("*partial*"))


@pytest.mark.slow
def test_the_ladder(killed):
    whole, again = killed("gan", "ladder", *LADDER)
    for rung in ("plain", "harden", "generator"):
        assert_same(whole / rung, again / rung)
        want, got = (load_file(folder / rung / "measured.safetensors") for folder in (whole, again))
        assert want.keys() == got.keys() and all(got[name].equal(want[name]) for name in want)
    want, got = (json.loads((folder / "ladder.json").read_text())["rungs"] for folder in (whole, again))
    for name, figures in want.items():
        alike = {key: value for key, value in figures.items() if key != "minutes"}
        assert alike == {key: value for key, value in got[name].items() if key != "minutes"}
