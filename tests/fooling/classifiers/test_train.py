"""A classifier learns, resumes exactly, and the default one is trained once."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

import fooling.classifiers.train
from fooling.classifiers.networks import Classifier, SoftmaxRegression
from fooling.classifiers.train import TrainConfig, accuracy, train
from fooling.cli import main
from fooling.data.load import DataConfig, load
from fooling.errors import UserError
from fooling.files import write_png
from fooling.images import Images
from fooling.options.given import parse
from fooling.run.schedules import one_cycle
from fooling.run.tracking import WandbConfig

QUIET = WandbConfig(mode="disabled")


def config(folder, **settings):
    return TrainConfig(output=str(folder), wandb=QUIET, **{"model": "softmax", "kimg": 4, **settings})


def weights(folder):
    return Classifier.from_pretrained(folder / "classifier").state_dict()


def test_a_run_leaves_a_classifier_with_its_card_and_log(tmp_path, capsys):
    train(config(tmp_path / "run", kimg=60, evaluate_kimg=30))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    measured = [line["test_accuracy"] for line in lines if "test_accuracy" in line]
    classifier = Classifier.from_pretrained(tmp_path / "run" / "classifier")
    assert len(measured) == 2 and measured[-1] > 0.9
    assert measured[-1] == pytest.approx(accuracy(classifier, load("mnist", "test")))
    assert lines[-1]["loss"] < lines[0]["loss"] / 2
    card = (tmp_path / "run" / "classifier" / "README.md").read_text()
    assert f"{100 * measured[-1]:.2f} %" in card and "kimg: 60" in card
    assert "a classifier that has" in capsys.readouterr().out
    front_matter = ModelCard(card).data
    assert (front_matter.library_name, front_matter.license) == ("fooling-gan", "mit")
    assert front_matter.pipeline_tag == "image-classification" and front_matter.tags == ["image-classification"]
    (result,) = front_matter.eval_results
    assert (result.dataset_name, result.metric_type) == ("mnist", "accuracy")
    assert result.metric_value == pytest.approx(measured[-1])


@pytest.mark.parametrize("model", ["softmax", "lenet", pytest.param("wide-lenet", marks=pytest.mark.slow)])
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(tmp_path, monkeypatch, model):
    settings = dict(model=model, kimg=3, checkpoint_kimg=1)
    train(config(tmp_path / "whole", **settings))

    class Interrupted(Exception):
        pass

    step = fooling.classifiers.train.Training.step
    with monkeypatch.context() as patched:

        def until_it_breaks(self):
            if self.run.images_seen > 1500:
                raise Interrupted
            return step(self)

        patched.setattr(fooling.classifiers.train.Training, "step", until_it_breaks)
        with pytest.raises(Interrupted):
            train(config(tmp_path / "broken", **settings))
    assert "Unfinished" in (tmp_path / "broken" / "classifier" / "README.md").read_text()
    train(config(tmp_path / "broken", **settings))
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert all(torch.equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize("change", ["one more", "another label", None])
def test_a_run_does_not_go_on_on_other_images(change, tmp_path, monkeypatch):
    for label in ("black", "white"):
        for number in range(20):
            image = np.full((8, 8, 3), 255 * (label == "white") - number * (-1) ** (label == "black"), np.uint8)
            write_png(image, tmp_path / "data" / label / f"{number}.png")
    data = DataConfig(name="folder", folder=str(tmp_path / "data"), image_size=8, test_share=0, root=str(tmp_path))
    settings = {"model": "softmax", "data": data, "batch_size": 8, "kimg": 0.064, "checkpoint_kimg": 0.016}
    with monkeypatch.context() as patched:
        patched.setattr(fooling.classifiers.train.Training, "finish", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(config(tmp_path / "run", **settings))
    if change == "one more":
        write_png(np.zeros((8, 8, 3), np.uint8), tmp_path / "data" / "black" / "new.png")
    if change == "another label":
        (tmp_path / "data" / "black" / "0.png").rename(tmp_path / "data" / "white" / "moved.png")
    with pytest.raises(UserError, match="began on other images") if change else nullcontext():
        train(config(tmp_path / "run", **settings))


def test_the_seed_and_nothing_else_decides(tmp_path):
    torch.manual_seed(1)
    train(config(tmp_path / "a", kimg=1))
    torch.manual_seed(2)
    train(config(tmp_path / "b", kimg=1))
    train(config(tmp_path / "c", kimg=1, seed=5))
    a, b, c = (weights(tmp_path / name)["logits.weight"] for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_the_rate_rises_and_falls():
    rates = [one_cycle(3.0, k / 1000) for k in range(1001)]
    assert rates[0] == pytest.approx(3 / 25) and max(rates) == rates[300] == 3.0 and rates[-1] == 0
    assert rates[:301] == sorted(rates[:301]) and rates[300:] == sorted(rates[300:], reverse=True)


def test_accuracy_counts_the_right_ones():
    data = load("mnist", "test")
    labels = torch.where(torch.arange(1000) < 250, data.labels[:1000] * 0, 1)

    class Always(SoftmaxRegression):
        def forward(self, images):
            return torch.tensor([1.0, 0.0]).expand(len(images), 2)

    assert accuracy(Always(), Images(data.images[:1000], labels)) == 0.25


def test_labels_are_needed(tmp_path):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "image.png")
    data = DataConfig(name="folder", folder=str(tmp_path), root=str(tmp_path / "cache"))
    with pytest.raises(UserError, match="needs labels"):
        train(config(tmp_path / "run", data=data))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--model", "vgg"], "model"),
        (["--kimg", "0"], "kimg must be above 0"),
        (["--speed", "1"], "speed"),
        (["--learning_rate=-1"], "learning_rate must be above 0"),
    ],
)
def test_a_wrong_setting_is_one_line_on_the_command_line(tmp_path, capsys, arguments, message):
    verbs = {"train": ("fooling.classifiers.train:train", "")}
    assert main("fooling", verbs, ["train", "--output", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_shipped_configurations_reach_their_accuracy(tmp_path, seed):
    for name, least in (("classifier", 0.992), ("softmax", 0.92)):
        arguments = ["--config", f"configs/{name}.yaml", "--output", str(tmp_path / name), "--seed", str(seed)]
        train(parse(TrainConfig, [*arguments, "--wandb.mode", "disabled"]))
        classifier = Classifier.from_pretrained(tmp_path / name / "classifier")
        assert accuracy(classifier, load("mnist", "test")) >= least
