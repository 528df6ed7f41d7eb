"""A classifier is taught what is nothing: by rounds and batch by batch, resumed exactly."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import final_state, tensors_of

import fooling.teach.harden
from fooling.audit.walkout import walk_out
from fooling.classifiers.networks import Classifier
from fooling.cli import main
from fooling.errors import UserError
from fooling.options.given import parse
from fooling.run.tracking import WandbConfig
from fooling.teach.fresh_attack import AttackConfig, attack_afresh, attack_figures
from fooling.teach.harden import HardenConfig, harden
from fooling.teach.losses import faded_loss, negatives_loss
from fooling.teach.negatives import ClimbConfig, NegativesConfig

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(p for p in (ROOT / "configs").glob("*.yaml") if re.search("^negatives:", p.read_text(), re.M))
QUIET = WandbConfig(mode="disabled")
COMMAND = [
    "harden", "--model", "softmax", "--attack.count", 20, "--attack.steps", 10, "--attack.judge", "false",
    "--wandb.mode", "disabled",
]  # fmt: skip
ATTACK = AttackConfig(count=20, steps=15, step_size=0.1, judge=False)


def config(folder, **settings):
    settings = {
        "model": "softmax", "kimg": 2, "evaluate_kimg": 2, "checkpoint_kimg": 1, "learning_rate": 0.01,
        "attack": ATTACK, "negatives": NegativesConfig(noise=16), **settings,
    }  # fmt: skip
    return HardenConfig(output=str(folder), wandb=QUIET, **settings)


def weights(folder):
    return Classifier.from_pretrained(folder / "classifier").state_dict()


def test_rounds_are_measured_drawn_and_taught_from(tmp_path, capsys, monkeypatch, softmax):
    folder = tmp_path / "run"
    monkeypatch.setattr(fooling.teach.harden, "trained_judge", lambda data: softmax)
    attack = replace(ATTACK, judge=True)
    harden(config(folder, rounds=2, kimg=6, evaluate_kimg=6, negatives=NegativesConfig(pool=32), attack=attack))
    rounds = json.loads((folder / "rounds.json").read_text())
    assert len(rounds) == 2
    for figures in rounds:
        assert figures["test_accuracy"] > 0.7 and 0 <= figures["fooled_99"] <= figures["fooled_50"] <= 1
        assert ("recognised" in figures) == (figures["fooled_99"] > 0)
    # The first round had no negatives, the second was taught with the images that fooled the first.
    assert rounds[0]["fooled_50"] == 1 and rounds[1]["steps_needed"] != rounds[0]["steps_needed"]
    logged = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["fooled_99"] for line in logged if "fooled_99" in line] == [r["fooled_99"] for r in rounds]
    assert len(list((folder / "samples").glob("*.png"))) == 2
    said = capsys.readouterr().out
    assert "warning: the judge has " in said and "held-out images right: too few to lean on" in said
    assert "round 2: test accuracy" in said and "% of what fooled it" in said
    assert Classifier.from_pretrained(folder / "classifier").reject_class


def test_noise_taught_as_nothing_is_rejected(tmp_path):
    harden(config(tmp_path, model="lenet", kimg=6, learning_rate=3e-3, negatives=NegativesConfig(noise=32)))
    classifier = Classifier.from_pretrained(tmp_path / "classifier")
    with torch.no_grad():
        answers = classifier(torch.rand(50, 1, 28, 28, generator=torch.Generator().manual_seed(0))).argmax(1)
    assert (answers == 10).all()


def test_without_a_reject_class_noise_is_left_open(tmp_path):
    settings = dict(model="lenet", kimg=6, learning_rate=3e-3, target="uniform", negatives=NegativesConfig(noise=32))
    harden(config(tmp_path, **settings))
    classifier = Classifier.from_pretrained(tmp_path / "classifier")
    assert not classifier.reject_class
    with torch.no_grad():
        noise = torch.rand(50, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        assert classifier(noise).softmax(1).amax(1).mean() < 0.4


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(tmp_path, monkeypatch, rounds):
    negatives = NegativesConfig(climbed=4, persistent=4, pool=4, noise=4, climb=ClimbConfig(steps=2))
    settings = dict(rounds=rounds, kimg=3 / rounds, negatives=negatives)
    harden(config(tmp_path / "whole", **settings))

    class Interrupted(Exception):
        pass

    step = fooling.teach.harden.Teaching.step
    with monkeypatch.context() as patched:

        def until_it_breaks(self):
            if self.run.images_seen > 2500:
                raise Interrupted
            return step(self)

        patched.setattr(fooling.teach.harden.Teaching, "step", until_it_breaks)
        with pytest.raises(Interrupted):
            harden(config(tmp_path / "broken", **settings))
    assert "Unfinished" in (tmp_path / "broken" / "classifier" / "README.md").read_text()
    harden(config(tmp_path / "broken", **settings))
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    rounds_of = [(tmp_path / name / "rounds.json").read_text() for name in ("whole", "broken")]
    assert rounds_of[0] == rounds_of[1]


def test_a_round_from_scratch_forgets_the_weights_and_one_that_goes_on_does_not(tmp_path, monkeypatch):
    begun = []
    step = fooling.teach.harden.Teaching.step

    def watched(self):
        if self.run.images_seen == self.rounds.started_at:
            begun.append(self.classifier.logits.weight.detach().clone())
        return step(self)

    monkeypatch.setattr(fooling.teach.harden.Teaching, "step", watched)
    for from_scratch in (True, False):
        harden(config(tmp_path / str(from_scratch), rounds=2, kimg=1, from_scratch=from_scratch))
    assert begun[1].abs().sum() == 0  # as softmax regression begins
    assert begun[3].abs().sum() > 0


def test_losses_are_least_where_the_target_is_met():
    logits = torch.zeros(3, 5)
    rejecting = torch.tensor([[0.0, 0, 0, 0, 20]]).expand(3, 5)
    sure = torch.tensor([[20.0, 0, 0, 0, 0]]).expand(3, 5)
    split = torch.tensor([[9.0, 0, 0, 0, 20]]).expand(3, 5)
    for target, best in (("reject", rejecting), ("uniform", logits), ("confidence", logits), ("both", rejecting)):
        others = [x for x in (logits, rejecting, sure) if x is not best]
        assert all(negatives_loss(best, target) < negatives_loss(other, target) for other in others)
    assert negatives_loss(rejecting, "both") < negatives_loss(split, "both")
    assert negatives_loss(rejecting, "reject").item() == pytest.approx(negatives_loss(split, "reject").item(), abs=1e-4)


def test_what_is_half_there_shall_be_half_believed():
    labels, left = torch.tensor([0, 1]), torch.tensor([0.75, 0.75])
    believed = torch.tensor([[0.75, 1e-6, 0.25], [1e-6, 0.75, 0.25]]).log()
    sure = torch.tensor([[1 - 2e-6, 1e-6, 1e-6], [1e-6, 1 - 2e-6, 1e-6]]).log()
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))  # the least that a soft target allows
    assert faded_loss(believed, labels, left, "reject").item() == pytest.approx(entropy, abs=1e-5)
    assert faded_loss(sure, labels, left, "reject") > 2 * entropy
    assert faded_loss(sure, labels, torch.ones(2), "uniform").item() == pytest.approx(0, abs=1e-5)
    assert faded_loss(sure, labels, torch.zeros(2), "uniform") == negatives_loss(sure, "uniform")


@pytest.mark.slow
def test_taught_on_faded_digits_it_is_sure_of_whole_ones_alone(tmp_path, digits):
    """And where they were moved towards their labels, a walk out of one does not find its way round that."""
    images, labels = digits[0][:200], digits[1][:200]
    walked = []
    for radius in (0.0, 0.3):
        folder, how = tmp_path / str(radius), {"faded": 64, "faded_perturb": radius, "learning_rate": 3e-3}
        harden(config(folder, model="lenet", kimg=24, negatives=NegativesConfig(noise=16), **how))
        classifier = Classifier.from_pretrained(folder / "classifier")

        def confidences(images, classifier=classifier):
            with torch.no_grad():
                return classifier(images).softmax(1).gather(1, labels[:, None])[:, 0]

        assert confidences(images).median() > 0.95 and confidences(0.4 * images + 0.3).median() < 0.7
        sure = confidences(images) >= 0.99
        walk = walk_out(classifier, images[sure], labels[sure], torch.full_like(images[sure], 0.5), steps=50)
        walked.append(walk.walked.median().item())
    assert walked[1] < 0.8 * walked[0]


def test_what_cannot_be_taught_is_refused():
    for words, settings in {
        "perturb must be at least 0, got -1": {"perturb": -1},
        "faded_perturb must be at least 0, got -0.1": {"faded": 8, "faded_perturb": -0.1},
        "say how many with --faded": {"faded_perturb": 0.1},
    }.items():
        with pytest.raises(UserError, match=words):
            HardenConfig(negatives=NegativesConfig(noise=8), **settings)


def test_the_fresh_attack_aims_at_every_class_but_the_reject_class(lenet):
    attack = attack_afresh(lenet, AttackConfig(count=20, steps=60), seed=0)
    figures = attack_figures(attack)
    assert figures["fooled_99"] == 1 == figures["fooled_50"] and figures["median_confidence"] >= 0.99
    assert attack.probabilities.argmax(1).tolist() == [k % 10 for k in range(20)]
    assert 1 <= figures["steps_needed"] <= 30 and "recognised" not in figures
    assert attack_figures(attack, lenet)["recognised"] == 1

    class AlwaysZero(torch.nn.Module):
        def forward(self, images):
            return torch.eye(10)[torch.zeros(len(images), dtype=torch.int64)]

    assert attack_figures(attack, AlwaysZero())["recognised"] == pytest.approx(0.1)
    assert not attack.images.equal(attack_afresh(lenet, AttackConfig(count=20, steps=60), seed=1).images)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--target", "none"], "target"),
        (["--rounds", "0"], "rounds must be above 0"),
        (["--negatives.noise=-3"], "counted from 0 up"),
        ([], "say what to teach"),
        (["--negatives.generated", "8"], "generator_folder"),
        (["--negatives.noise", "8", "--data.folder", "mine"], "folder mine is for the data set named folder"),
        (["--negatives.noise", "8", "--negatives.kinds", "pink"], "unknown noise 'pink'"),
        (["--negatives.climbed", "8", "--negatives.climb.steps", "0"], "steps >= 1"),
        (["--negatives.climbed", "8", "--negatives.climb.ball=-1"], "radius above 0"),
        (["--negatives.pool", "8"], "the pool is empty until a round has ended"),
        (["--negatives.noise", "8", "--kimg", "0.1"], "shorter than a batch of 128"),
        (["--negatives.noise", "8", "--shift", "28"], "shift must be below the 28 pixels"),
        (["--negatives.noise", "8", "--ramp_kimg=-1"], "ramp_kimg must be at least 0"),
        (
            [
                "--negatives.others",
                "8",
                "--negatives.others_data.name",
                "mnist",
                "--negatives.others_data.image_size",
                "9",
            ],
            r"negatives are (1, 9, 9) images, the data's (1, 28, 28)",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_on_the_command_line(tmp_path, capsys, arguments, message):
    verbs = {"harden": ("fooling.teach.harden:harden", "")}
    assert main("fooling", verbs, ["harden", "--output", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_shipped_configuration_says_what_the_parser_knows(file):
    config = parse(HardenConfig, ["--config", str(file)])
    assert config.name == file.stem
    told = yaml.safe_load(file.read_text())["negatives"]
    for source in ("climbed", "persistent", "noise", "pool", "others", "generated"):  # and no defaults beside them
        assert getattr(config.negatives, source) == told.get(source, 0)


def test_a_trained_generator_gives_negatives(commands, debug_run):
    """From its folder alone: `fooling` does not import `gan`, the installed package tells it of the class."""
    arguments = [*COMMAND, "--kimg", 1, "--evaluate_kimg", 1, "--output", "run", "--negatives.generated", 8]
    done = commands.run("fooling", *arguments, "--negatives.generator_folder", debug_run[0] / "generator")
    assert done.returncode == 0, done.stderr
    assert weights(commands.folder / "run")["logits.bias"].shape == (11,)


def test_a_classifier_is_no_generator(tmp_path, lenet):
    folder = lenet.save_pretrained(tmp_path / "lenet")
    negatives = NegativesConfig(generated=8, generator_folder=str(folder))
    with pytest.raises(UserError, match="lenet holds a LeNet, which is no generator"):
        harden(config(tmp_path / "run", negatives=negatives))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_killed_again_and_again_it_teaches_the_same(commands):
    """Rounds whose images join the pool, climbs that go on where earlier ones ended: nothing of it is lost."""
    arguments = [
        *COMMAND, "--rounds", 3, "--kimg", 8, "--evaluate_kimg", 4, "--checkpoint_kimg", 0.128, "--threads", 1,
        "--negatives.climbed", 8, "--negatives.persistent", 8, "--negatives.pool", 8, "--negatives.climb.steps", 3,
    ]  # fmt: skip
    assert commands.run("fooling", *arguments, "--output", "whole").returncode == 0
    commands.kill_and_resume("fooling", *arguments, kills=5)
    whole, killed = (commands.folder / name for name in ("whole", "killed"))
    assert (whole / "rounds.json").read_text() == (killed / "rounds.json").read_text()
    want, got = (tensors_of(final_state(folder)) for folder in (whole, killed))
    for name in want.keys() | got.keys():  # NaN: a climb that has not begun
        torch.testing.assert_close(got[name], want[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.slow
def test_two_processes_teach_as_one_does(tmp_path, commands):
    arguments = [
        *COMMAND, "--kimg", 1, "--evaluate_kimg", 1, "--mixed_precision", "no",
        "--negatives.climbed", 8, "--negatives.persistent", 8, "--negatives.noise", 8, "--negatives.climb.steps", 3,
    ]  # fmt: skip
    for processes in (1, 2):
        done = commands.run("fooling", *arguments, "--output", tmp_path / str(processes), processes=processes)
        assert done.returncode == 0, done.stderr
    one, two = weights(tmp_path / "1"), weights(tmp_path / "2")
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=1e-3, rtol=1e-3)
