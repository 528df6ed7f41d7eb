"""The judge: how well it reads what it was not trained on, and that this is said."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from fooling.classifiers import judge as module
from fooling.classifiers.judge import (
    JudgeNet,
    JudgeScore,
    dirtied,
    moved,
    recoloured,
    score_judge,
    train_judge,
    trained_judge,
    turned,
)
from fooling.classifiers.networks import class_names
from fooling.classifiers.train import accuracy
from fooling.data.batches import Batches
from fooling.data.load import DataConfig, load, load_config
from fooling.images import Images
from fooling.run.computing import computes_in_bf16
from fooling.run.optimizer import update
from fooling.run.schedules import one_cycle
from fooling.seeds import seed_of, seeded


def test_nobody_waits_for_the_score_of_the_one_that_ships(monkeypatch):
    monkeypatch.setattr(module, "accuracy", lambda *_: pytest.fail("measured again"))
    score = score_judge(trained_judge(DataConfig()), DataConfig())
    assert score == JudgeScore(0.9955, 10_000) and score.warning is None


@pytest.mark.parametrize("accuracy, warned", [(0.949, True), (0.95, False), (1.0, False)])
def test_a_judge_that_cannot_be_leant_on_is_warned_of(accuracy, warned):
    score = JudgeScore(accuracy, 1200)
    assert f"{100 * accuracy:.2f} % of 1,200 held-out images right" in score.words
    assert (score.warning is not None) == warned
    assert not score.warning or ("\n" not in score.warning and score.words in score.warning)


def test_a_small_set_is_learned_by_steps_and_scored_on_what_is_held_out(tmp_path, monkeypatch, capsys):
    """Four epochs of 100 images are 3 steps: chance. The score is kept, for the images that it was measured on."""
    monkeypatch.setenv("FOOLING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_FEWEST_STEPS", 60)
    monkeypatch.setattr(module, "_SMALL_BATCH", 16)
    write_stripes(tmp_path / "stripes", 50)
    data = DataConfig(name="folder", folder=str(tmp_path / "stripes"), image_size=12, channels=1)
    judge = trained_judge(data)
    test = load_config(data, "test")
    score = score_judge(judge, data)
    assert score == JudgeScore(accuracy(judge, test), len(test)) and score.accuracy > 0.9
    assert class_names(judge) == ("across", "down")
    with monkeypatch.context() as patched:
        patched.setattr(module, "accuracy", lambda *_: pytest.fail("measured again"))
        patched.setattr(module, "train_judge", lambda *_: pytest.fail("trained again"))
        assert score_judge(trained_judge(data), data) == score
    flipped = tmp_path / "flipped"
    for here, there in (("across", "down"), ("down", "across")):
        shutil.copytree(tmp_path / "stripes" / here, flipped / there)
    other = score_judge(judge, DataConfig(name="folder", folder=str(flipped), image_size=12, channels=1))
    assert other.accuracy < 0.2 and "too few to lean on" in other.warning
    everything = DataConfig(name="folder", folder=str(tmp_path / "stripes"), test_share=0)
    assert score_judge(judge, everything) is None


def write_stripes(folder, count):
    generator = np.random.default_rng(0)
    for name in ("across", "down"):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            image = np.full((12, 12), generator.integers(0, 100), np.uint8)
            image[generator.integers(1, 4) :: 4] = generator.integers(150, 256)
            Image.fromarray(image if name == "across" else image.T.copy()).save(folder / name / f"{i}.png")


def test_the_recipe_of_the_one_that_ships_is_kept_bit_for_bit():
    """What it is for large sets has made the weights that ship, on which published figures rest."""
    few = load("mnist")
    few = Images(few.images[:1000], few.labels[:1000], few.class_names)
    with seeded(seed_of(99)):
        expected = JudgeNet().to(memory_format=torch.channels_last).train()
        batches, optimizer = Batches(few, seed=99), torch.optim.AdamW(expected.parameters(), 4e-3, weight_decay=0.01)
        for step in range(8):
            images, labels = batches.take(step * 128, 128)
            generator = torch.Generator().manual_seed(seed_of(99, step))
            with torch.autocast("cpu", torch.bfloat16, enabled=computes_in_bf16()):
                logits = expected(dirtied(moved(images, generator), generator))
                loss = torch.nn.functional.cross_entropy(logits, labels)
            loss.backward()
            update(optimizer, one_cycle(4e-3, step / 8))
    got = train_judge(few, epochs=1.024).state_dict()
    assert all(torch.equal(got[name], tensor) for name, tensor in expected.state_dict().items())


def test_half_of_the_clean_and_half_of_the_dirty_images_are_turned():
    images = torch.rand(400, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    came = turned(images, torch.Generator().manual_seed(1))
    as_they_were = (came == images).flatten(1).all(1)
    for others in (0, 1):
        assert 0.45 < as_they_were[others::2].float().mean() < 0.7  # some are turned by nothing
    assert torch.equal(came.flatten(2).sort(2).values, images.flatten(2).sort(2).values)  # nothing but moved about
    ways = turned(images[:1].expand(400, 3, 8, 8), torch.Generator().manual_seed(2))
    assert len(ways.flatten(1).unique(dim=0)) == 8


def test_colours_change_a_little_and_stay_colours():
    images = torch.rand(200, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    came = recoloured(images, torch.Generator().manual_seed(1))
    assert came.min() >= 0 and came.max() <= 1 and 0.05 < (came - images).abs().mean() < 0.3
