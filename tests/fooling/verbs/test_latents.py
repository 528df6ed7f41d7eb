"""fooling trick --through GENERATOR, as it is typed: what it says and leaves behind, and how it refuses."""

import json
from importlib import import_module

import numpy as np
import pytest
import torch
from PIL import Image

from fooling.__main__ import main
from fooling.classifiers.frozen import predict
from fooling.classifiers.load import trained_classifier
from fooling.classifiers.networks import SoftmaxRegression
from fooling.climb.through import load_generator
from fooling.verbs.latents import to_the_target

GENERATORS = """
import torch
from fooling.data.load import load
from fooling.images import to_float

class Blends(torch.nn.Module):
    latent_dim = 10

    def __init__(self, classes=0):
        super().__init__()
        data, self.num_classes = load("mnist", "test"), classes
        first = [int((data.labels == label).nonzero()[0]) for label in range(10)]
        self.digits = to_float(data.images[first])

    def forward(self, latents, labels=None):
        shares = (2 * latents).softmax(1)
        if labels is not None:
            shares = (shares + torch.nn.functional.one_hot(labels, 10)) / 2
        return torch.einsum("nk,kchw->nchw", shares, self.digits).clamp(0, 1)

class Halves(torch.nn.Module):
    latent_dim = 6

    def forward(self, latents):
        return (3 * latents[:, :2]).sigmoid().repeat_interleave(32, 1).view(-1, 1, 8, 8)

def of_classes():
    return Blends(10)

class Bright(Halves):
    def forward(self, latents):
        return 2 * super().forward(latents)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Types a command in a folder where the generators are: its exit code, what it said, what it complained of."""
    (tmp_path / "generators_of_tests.py").write_text(GENERATORS)
    for name, rows in (("top", slice(0, 4)), ("bottom", slice(4, 8))):
        network, weight = SoftmaxRegression(image_size=8, num_classes=2), torch.zeros(2, 8, 8)
        weight[1, rows] = 1.0  # says 1 of images whose half is light
        network.load_state_dict({"logits.weight": weight.flatten(1), "logits.bias": torch.tensor([16.0, 0.0])})
        network.save_pretrained(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fooling.verbs.story._FRAMES", 3)

    def call(command):
        code = main([*command.replace("G:", "generators_of_tests:").split(), "--wandb.mode", "disabled"])
        said = capsys.readouterr()
        return code, said.out.replace("\u00a0", " ").replace("\u2009", ""), said.err

    return call


def test_what_comes_out_is_a_2_to_the_network_and_to_the_judge(run, tmp_path):
    code, said, _ = run("trick --through G:Blends --target 2")
    folder = tmp_path / "runs" / "trick-2"
    assert code == 0 and said.startswith("A drawing of the generator's, called a")
    assert "In the end the judge, which had no part in it, sees a 2, with" in said
    names = {"trick.png", "trick.gif", "probabilities.png", "image.png", "judge.png", "summary.json", "numbers.npz"}
    assert {path.name for path in folder.iterdir()} == names
    summary, numbers = json.loads((folder / "summary.json").read_text()), np.load(folder / "numbers.npz")
    assert summary["success"] and summary["target_confidence_after"] >= 0.999 and summary["start_class"] != "2"
    assert summary["seen_by"]["the judge"][0] == "2"
    assert (summary["settings"]["confidence"], summary["settings"]["steps"]) == (0.999, 50)
    end = predict(trained_classifier(), torch.from_numpy(numbers["images"][-1:]))
    assert end[0, 2].item() == pytest.approx(summary["target_confidence_after"], abs=1e-4)
    with Image.open(folder / "trick.gif") as film:
        assert film.n_frames == len(numbers["steps"]) > 1


def test_a_generator_with_classes_is_told_to_draw_the_target(run, tmp_path):
    code, _, _ = run("trick --through G:of_classes --target 2")
    images = np.load(tmp_path / "runs" / "trick-2" / "numbers.npz")["images"]
    digits = import_module("generators_of_tests").of_classes().digits
    shares = np.linalg.lstsq(digits.flatten(1).T.numpy(), images[0].ravel(), rcond=None)[0]
    assert code == 0 and shares[2] > 0.49


def test_one_network_is_fooled_while_another_goes_on_seeing_the_source(run, tmp_path):
    """Whose halves are both dark at first: then the upper one is light."""
    code, said, _ = run("trick --through G:Halves --source 0 --target 1 --model top/ --auxiliary bottom/")
    summary = json.loads((tmp_path / "runs" / "trick-0-1" / "summary.json").read_text())
    assert code == 0 and said.startswith("A 0 of the generator's, called a 0 with")
    assert "In the end bottom/ sees a 0, with" in said and "judge" not in said
    assert summary["success"] and summary["target"] == "1" and summary["start_class"] == "0"
    assert summary["seen_by"]["bottom/"][0] == "0" and summary["seen_by"]["bottom/"][1] >= 0.9
    image = np.load(tmp_path / "runs" / "trick-0-1" / "numbers.npz")["images"][-1, 0]
    assert image[:4].mean() > 0.6 > 0.4 > image[4:].mean()


def test_a_seed_gives_one_start_and_another_seed_another(run):
    generator, classifier = load_generator("generators_of_tests:Blends"), trained_classifier()
    first, again, other = (to_the_target(classifier, generator, 2, 0.99, 5, seed).start.params for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


BAD = {
    "--start grey": "--through begins with what a generator draws: leave out --start",
    "--parametrization cppn": "--through begins with what a generator draws",
    "--source 3": "--source and --target are the same class",
    "--source 12": "no class 12: the classifier has 10 classes",
    "--auxiliary lenet": "--auxiliary names what goes on to see the --source",
    "--source 7 --auxiliary lenet": "lenet is the network that is climbed: name another with --auxiliary",
    "--source 7 --auxiliary top/": "top/ knows other images or classes than lenet",
    "--source 0 --target 1 --model top/ --through G:Halves": "harden knows other images or classes than top/",
    "--steps 0": "steps must be above 0",
    "--confidence 1": "confidence must lie between 0 and 1",
    "--through G:Halves": "the images are 1 x 8 x 8, the classifier takes 1 x 28 x 28",
    "--through G:Bright --model top/ --target 1": "is outside [0, 1]",
    "--through nowhere/": "no saved network in nowhere",
    "--through lenet": "no saved network in lenet",
}


@pytest.mark.parametrize("options", BAD)
def test_what_cannot_be_is_one_line_and_nothing_is_written(run, tmp_path, options):
    before = sorted(path.name for path in tmp_path.iterdir())
    given = "" if "--through" in options else "--through G:Blends "
    code, _, complaint = run(f"trick {given}{options}")
    assert code == 2 and complaint.startswith("error: ") and complaint.count("\n") == 1
    assert BAD[options] in complaint.replace("\u00a0", " ")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == before


def test_a_source_needs_a_generator(run):
    assert "--source is for --through" in run("trick --source 7")[2]
