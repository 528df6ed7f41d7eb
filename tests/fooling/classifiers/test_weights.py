"""The networks that ship with the package: what they are, what they can do, and that they can be made again."""

import json
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from fooling.classifiers.judge import JudgeNet, train_judge, trained_judge
from fooling.classifiers.load import SHIPPED, load_classifier, trained_classifier
from fooling.classifiers.networks import Classifier, LeNet, SoftmaxRegression
from fooling.classifiers.train import TrainConfig, accuracy, train
from fooling.data.load import DataConfig, load
from fooling.errors import UserError
from fooling.options.given import parse
from fooling.pretrained import WEIGHTS, Pretrained
from fooling.teach.harden import HardenConfig, harden

RIGHT = {"lenet": 0.9930, "softmax": 0.9286, "harden": 0.9927, "judge": 0.9955}  # of the test digits


@pytest.mark.parametrize("name", RIGHT)
def test_they_are_as_accurate_as_their_cards_say(name):
    network = Pretrained.from_pretrained(WEIGHTS / name)
    assert {p.dtype for p in network.parameters()} == {torch.float32} and not network.training
    right = accuracy(network, load("mnist", "test"))
    assert right == pytest.approx(RIGHT[name], abs=1e-9 + 1e-4)  # another machine may read one digit differently
    assert f"{100 * RIGHT[name]:.2f} %" in (WEIGHTS / name / "README.md").read_text()


def test_they_are_small():
    sizes = [p.stat().st_size for p in WEIGHTS.rglob("*") if p.is_file()]
    assert sum(sizes) < 3_000_000 and {p.name for p in WEIGHTS.iterdir()} == {*RIGHT, "jury"}
    assert max(p.stat().st_size for p in (WEIGHTS / "jury").rglob("*")) < 300_000


def test_nobody_waits_for_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FOOLING_CACHE", str(tmp_path))
    assert isinstance(trained_classifier(), LeNet)
    assert isinstance(trained_classifier("softmax"), SoftmaxRegression)
    assert trained_classifier("harden").reject_class
    assert isinstance(trained_judge(DataConfig()), JudgeNet)
    assert capsys.readouterr().out == "" and list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="lenet, softmax, harden"):
        trained_classifier("vgg")


def test_first_use_in_a_fresh_process_leaves_its_host_alone():
    code = """if True:
        import torch
        torch.set_num_threads(2)
        before = torch.backends.cudnn.deterministic
        from fooling import trained_classifier
        trained_classifier()
        assert torch.get_num_threads() == 2 and torch.backends.cudnn.deterministic == before
    """
    subprocess.run([sys.executable, "-c", code], check=True)


class TestNaming:
    """Whatever names a classifier names it everywhere."""

    @pytest.mark.parametrize("name", SHIPPED)
    def test_one_that_ships(self, name):
        shipped, loaded = trained_classifier(name).state_dict(), load_classifier(name).state_dict()
        assert all(torch.equal(shipped[key], loaded[key]) for key in shipped)

    def test_the_folder_of_a_run_or_of_the_classifier_in_it(self, tmp_path):
        saved = trained_classifier("softmax")
        saved.save_pretrained(tmp_path / "run" / "classifier")
        for folder in (tmp_path / "run", tmp_path / "run" / "classifier"):
            assert torch.equal(load_classifier(folder).logits.weight, saved.logits.weight)

    def test_every_verb_opens_the_folder_of_a_run(self, tmp_path, monkeypatch, capsys):
        from fooling.__main__ import main

        trained_classifier("lenet").save_pretrained(tmp_path / "run" / "classifier")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("fooling.verbs.story._FRAMES", 4)
        quiet = ["--wandb.mode", "disabled", "--output"]
        assert main(["trick", "--model", "run", "--target", "3", *quiet, "trick"]) == 0
        assert main(["morph", "--model", "run", "--to", "3", *quiet, "morph"]) == 0
        assert json.loads((tmp_path / "trick" / "summary.json").read_text())["success"]

    def test_trick_arrives_on_the_hardened_one_too(self, tmp_path, monkeypatch, capsys):
        """Up the logit it did not, from 94 % of all noise."""
        from fooling.__main__ import main

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("fooling.verbs.story._FRAMES", 4)
        for seed in range(3):
            told = ["--model", "harden", "--target", "3", "--seed", str(seed), "--wandb.mode", "disabled"]
            assert main(["trick", *told, "--output", f"trick{seed}"]) == 0
        told = [json.loads((tmp_path / f"trick{seed}" / "summary.json").read_text()) for seed in range(3)]
        assert sum(summary["success"] for summary in told) >= 2

    def test_what_a_factory_takes_is_said_in_one_way(self, tmp_path, monkeypatch, capsys):
        """The error's advice, taken literally, helps in every verb."""
        from fooling.__main__ import main

        (tmp_path / "net.py").write_text(FACTORY)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("fooling.verbs.story._FRAMES", 4)
        quiet = ["--wandb.mode", "disabled", "--output"]
        asked = {"trick": ["trick", "--model", "net:make"], "audit": ["audit", "net:make"]}
        for verb, arguments in asked.items():
            assert main([*arguments, *quiet, verb]) == 2
            assert "--input.shape 1 28 28" in capsys.readouterr().err
        shape = ["--input.shape", "1", "28", "28"]
        assert main([*asked["trick"], *shape, *quiet, "trick"]) == 0
        assert main([*asked["audit"], *shape, "--data.name", "nonsense", *quiet, "audit"]) == 2  # it gets to the data
        assert "net:make" not in capsys.readouterr().err

    def test_the_older_names_still_say_it(self):
        from fooling.audit.audit import AuditConfig

        config = AuditConfig(["a"], shape=[3, 8, 8], range=[0, 255], mean=[0.5], std=[2.0])
        assert (config.input.shape, config.input.range) == ([3, 8, 8], [0, 255])
        assert (config.input.mean, config.input.std) == ([0.5], [2.0])


FACTORY = """
import torch
from torch import nn
def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
"""


def test_a_judge_trained_otherwise_is_another_one(tmp_path, monkeypatch, capsys):
    """Cached under what it was trained on, and how: yesterday's recipe is not today's."""
    import fooling.classifiers.judge as judge

    monkeypatch.setenv("FOOLING_CACHE", str(tmp_path))
    few = load("mnist", image_size=14)
    few = type(few)(few.images[:256], few.labels[:256], few.class_names)
    monkeypatch.setattr(judge, "load_config", lambda config: few)
    monkeypatch.setattr(judge, "_FEWEST_STEPS", 4)
    for recipe in ("v2", "v2", "v3"):
        monkeypatch.setattr(judge, "_RECIPE", recipe)
        trained_judge(DataConfig(image_size=14))
    assert capsys.readouterr().out.count("this once") == 2
    assert len(list((tmp_path / "judges").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_they_can_be_made_again(tmp_path, name):
    """As tests/benchmarks/weights.py does. A training's bits differ between processors; what it reaches does not."""
    if name == "judge":
        again = train_judge(load("mnist"))
    else:
        file, config, verb = {
            "lenet": ("classifier", TrainConfig, train),
            "softmax": ("softmax", TrainConfig, train),
            "harden": ("harden", HardenConfig, harden),
        }[name]
        told = ["--config", str(ROOT / "configs" / f"{file}.yaml"), "--output", str(tmp_path / "run"), "--threads", "1"]
        verb(parse(config, [*told, "--wandb.mode", "disabled"]))
        again = Classifier.from_pretrained(tmp_path / "run" / "classifier")
    assert accuracy(again, load("mnist", "test")) > RIGHT[name] - 0.002
    assert again.config == Pretrained.from_pretrained(WEIGHTS / name).config
