"""The verbs as a user types them: what they say, what they leave behind, and how they refuse."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from offline_wandb import Kept
from PIL import Image

from fooling.__main__ import main
from fooling.classifiers.frozen import predict
from fooling.classifiers.networks import SoftmaxRegression
from fooling.data.load import load
from fooling.files import write_png
from fooling.images import Images
from fooling.show.grids import grid


@pytest.fixture(scope="module")
def saved(lenet, tmp_path_factory):
    return str(lenet.save_pretrained(tmp_path_factory.mktemp("saved") / "lenet"))


@pytest.fixture
def run(saved, tmp_path, monkeypatch, capsys):
    """Types a command in an empty folder: its exit code, what it said, what it complained of."""
    monkeypatch.chdir(tmp_path)
    few = load("mnist", "test")
    few = Images(few.images[:2000], few.labels[:2000], few.class_names)
    monkeypatch.setattr("fooling.verbs.arguments.load_config", lambda config, split: few)
    monkeypatch.setattr("fooling.verbs.story._FRAMES", 4)

    def call(command, wandb="disabled"):
        model = [] if "--model" in command else ["--model", saved]
        code = main([*command.split(), *model, "--wandb.mode", wandb])
        said = capsys.readouterr()
        return code, said.out.replace("\u00a0", " ").replace("\u2009", ""), said.err

    return call


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def files(folder):
    return {path.name for path in folder.iterdir()}


def test_trick_makes_noise_that_is_called_a_3(run, tmp_path, lenet):
    code, said, _ = run("trick --target 3")
    folder = tmp_path / "runs" / "trick-3"
    assert code == 0
    assert files(folder) == {"trick.png", "trick.gif", "probabilities.png", "image.png", "summary.json", "numbers.npz"}
    summary, numbers = json.loads((folder / "summary.json").read_text()), np.load(folder / "numbers.npz")
    assert summary["success"] and summary["target_confidence_after"] >= 0.99 and summary["start_class"] != "3"
    assert f"is called a 3 with {100 * summary['target_confidence_after']:.2f} %" in said and "runs/trick-3" in said
    end = torch.from_numpy(numbers["images"][-1:])
    assert predict(lenet, end)[0, 3] == pytest.approx(summary["target_confidence_after"], abs=1e-4)
    assert np.array_equal(pixels(folder / "image.png"), grid(end, padding=0))
    with Image.open(folder / "trick.gif") as film:
        assert film.n_frames == len(numbers["steps"]) >= 4


@pytest.mark.parametrize(
    "options", ["--start grey", "--start smooth", "--parametrization fourier", "--parametrization cppn"]
)
def test_trick_begins_with_whatever_it_is_told(run, tmp_path, options, lenet):
    seen_in_grey = int(predict(lenet, torch.full((1, 1, 28, 28), 0.5)).argmax())
    target = str((seen_in_grey + 1) % 10)
    code, _, _ = run(f"trick --target {target} {options} --output here")
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert code == 0 and summary["success"] and summary["target"] == target != summary["start_class"]


def test_a_start_that_is_the_target_already_is_refused(run, tmp_path, lenet):
    seen_in_grey = int(predict(lenet, torch.full((1, 1, 28, 28), 0.5)).argmax())
    code, _, complaint = run(f"trick --target {seen_in_grey} --start grey")
    assert code == 2 and f"a grey image is class {seen_in_grey} to the network already" in complaint
    assert list(tmp_path.iterdir()) == []


def test_a_climb_that_does_not_arrive_says_so(run, tmp_path):
    code, said, _ = run("trick --target 3 --steps 1 --step_size 0.0001")
    assert code == 0 and "reached only" in said and "as a 3 after 1 step " in said
    assert json.loads((tmp_path / "runs/trick-3/summary.json").read_text())["success"] is False


def test_morph_turns_a_real_7_into_a_3(run, tmp_path):
    code, said, _ = run("morph --from 7 --to 3")
    summary = json.loads((tmp_path / "runs/morph-7-3/summary.json").read_text())
    assert code == 0 and summary["start_class"] == "7" and summary["target"] == "3" and summary["success"]
    assert summary["start_confidence"] > 0.5 and summary["mean_change"] < 0.1
    assert said.startswith("A 7 (test image ")


def test_morph_takes_an_image_of_the_users(run, tmp_path, digits, lenet):
    images, _ = digits
    image = images[(predict(lenet, images).argmax(1) == 4).nonzero()[0]]
    write_png(grid(image, padding=0), tmp_path / "mine.png")
    code, said, _ = run("morph --image mine.png --to 9")
    assert code == 0 and said.startswith("Your image (mine.png), called a 4")
    numbers = np.load(tmp_path / "runs/morph-4-9/numbers.npz")
    assert np.array_equal(numbers["images"][0], image[0].numpy())
    again, _, complaint = run("morph --image mine.png --to 4")
    assert again == 2 and complaint == "error: mine.png is a\u00a04 to the network already: choose another --to\n"


def test_an_image_of_another_size_is_cropped_and_resized_and_it_is_said(run, tmp_path, digits, lenet):
    """A digit four times as large, in colour, between margins, as a phone keeps it: turned, with a note of that."""
    images, _ = digits
    image = images[(predict(lenet, images).argmax(1) == 4).nonzero()[0]]
    large = np.pad(grid(image, padding=0, scale=4), ((0, 0), (30, 30), (0, 0)), constant_values=200)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(np.rot90(large)).save(tmp_path / "photo.png", exif=exif)
    code, said, _ = run("morph --image photo.png --to 9")
    assert code == 0
    assert said.startswith(
        "photo.png: resized from 172 x 112 to 28 x 28 pixels, its margins cut off\nYour image (photo"
    )
    start = np.load(tmp_path / "runs/morph-4-9/numbers.npz")["images"][0]
    assert np.abs(start - image[0].numpy()).max() < 0.3 and np.abs(start - image[0].numpy()).mean() < 0.02
    Image.fromarray(grid(image, padding=0, scale=2)).save(tmp_path / "square.png")
    said = run("explain --image square.png --towards 9 --layer conv1")[1]
    assert said.startswith("square.png: resized from 56 x 56 to 28 x 28 pixels\n")


def test_explain_draws_everything_about_a_doubtful_digit(run, tmp_path):
    code, said, _ = run("explain --digit 5 --towards 5 8")
    folder = tmp_path / "runs/explain-5"
    names = {"probabilities", "gradients", "step", "filters", "mistakes", "confused", "towards-5", "towards-8"}
    assert code == 0
    assert {f"{name}.png" for name in names} | {"towards-5.gif", "towards-8.gif"} < files(folder)
    assert "an\u00a08".replace("\u00a0", " ") in said and "of 2,000 test images wrong" in said
    numbers = np.load(folder / "numbers.npz")
    assert numbers["gradients"].shape == (2, 1, 28, 28) and numbers["classes"].tolist() == [5, 8]
    for name in names:
        assert pixels(folder / f"{name}.png").std() > 20


def test_explain_shows_the_weights_of_a_linear_network(run, tmp_path, softmax):
    softmax.save_pretrained(tmp_path / "softmax")
    code, _, _ = run("explain --digit 4 --towards 9 --model softmax/")
    assert code == 0
    assert "weights.png" in files(tmp_path / "runs/explain-4") and "filters.png" not in files(
        tmp_path / "runs/explain-4"
    )


@pytest.mark.parametrize("encoding", ["direct", "cppn"])
def test_evolve_breeds_an_image_for_every_class(run, tmp_path, lenet, encoding):
    code, said, _ = run(f"evolve --encoding {encoding} --confidence 0.5 --evaluations 20000")
    folder = tmp_path / f"runs/evolve-{encoding}"
    summary = json.loads((folder / "summary.json").read_text())
    images = torch.from_numpy(np.load(folder / "numbers.npz")["images"])
    assert code == 0 and f"{summary['classes_reached']} of 10 classes reached 50 %" in said
    confidences = predict(lenet, images).diagonal()
    assert confidences.tolist() == pytest.approx(list(summary["confidences"].values()), abs=1e-3)
    assert summary["classes_reached"] == (confidences >= 0.5).sum() >= 8


def test_the_same_command_gives_the_same_numbers_in_a_new_folder(run, tmp_path):
    run("trick --target 6 --seed 4")
    code, said, _ = run("trick --target 6 --seed 4")
    assert code == 0 and "runs/trick-6-2" in said
    first, second = (np.load(tmp_path / f"runs/{name}/numbers.npz") for name in ("trick-6", "trick-6-2"))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_wandb_gets_the_pictures_as_they_are(run, tmp_path, monkeypatch):
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    code, said, _ = run("trick --target 2", wandb="offline")
    folder = tmp_path / "runs/trick-2"
    assert code == 0 and "wandb sync runs/trick-2/wandb/offline-run-*" in said
    kept = Kept(folder)
    assert np.array_equal(pixels(kept.media("trick")[0]), pixels(folder / "trick.png"))
    assert kept.media("trick_film")[0].read_bytes() == (folder / "trick.gif").read_bytes()
    assert files(tmp_path / "runs") == {"trick-2"} and "WANDB_DATA_DIR" not in os.environ


THEIRS = """
import torch

def five_classes_of_colour():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 5))
"""


def test_anyones_network_can_be_tricked(run, tmp_path):
    (tmp_path / "colourful.py").write_text(THEIRS)
    model = "--model colourful:five_classes_of_colour --input.shape 3 16 16 --input.range -1 1"
    code, said, _ = run(f"trick --target 4 {model}")
    assert code == 0 and "is called a 4 with" in said
    assert np.load(tmp_path / "runs/trick-4/numbers.npz")["images"].shape[1:] == (3, 16, 16)
    code, _, complaint = run(f"morph --from 1 --to 2 {model}")
    assert code == 2
    assert "the test images are 1 x 28 x 28 in 10 classes, the classifier takes 3 x 16 x 16 in 5" in complaint


BAD = {
    "trick --target 12": "no class 12: the classifier has 10 classes, 0 to 9",
    "trick --target three": "--target must be a whole number, got 'three'",
    "trick --confidence 1.5": "confidence must lie between 0 and 1, got 1.5",
    "trick --steps 0": "steps must be above 0, got 0",
    "trick --start grey --parametrization cppn": "--start grey is for --parametrization pixels",
    "trick --start nonsense": "start",
    "trick --output taken": "taken exists: choose another with --output",
    "trick --output file.txt/x": "cannot write file.txt/x",
    "morph --from 3 --to 3": "the image is a\u00a03 already: choose another class with --to",
    "morph --from 11 --to 3": "no class 11",
    "morph --image nosuch.png": "no such file: nosuch.png",
    "morph --image file.txt": "file.txt is not a readable image",
    "morph --image deep.png": "deep.png has more than 8 bits for a channel",
    "morph --image clear.png": "clear.png is transparent in places",
    "morph --image cut.png": "cut.png is not a readable image",
    "morph --image mine.png --from 4": "--from and --image both say what to begin with",
    "explain --towards 5 10": "no class 10",
    "explain --digit 5 --layer conv9": "no layer 'conv9' in LeNet: known are conv1, relu1",
    "explain --digit 5 --image mine.png": "--digit and --image both say what to look at",
    "evolve --encoding nonsense": "encoding",
    "evolve --evaluations -1": "evaluations",
    "trick --model lennet": "no model 'lennet' ships, and there is no such folder: did you mean lenet?",
    "trick --model json:loads": "state the images it takes",
    "trick --no-such-option 3": "no-such-option",
}


@pytest.mark.parametrize("command", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(run, tmp_path, command):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file.txt").write_text("not an image")
    Image.new("I;16", (40, 28)).save(tmp_path / "deep.png")
    Image.new("RGBA", (40, 28), (255, 255, 255, 100)).save(tmp_path / "clear.png")
    Image.effect_noise((28, 28), 90).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    before = sorted(tmp_path.rglob("*"))
    code, _, complaint = run(command)
    assert code == 2
    assert complaint.startswith("error: ") and complaint.count("\n") == 1 and BAD[command] in complaint
    assert sorted(tmp_path.rglob("*")) == before


def test_an_error_while_writing_leaves_nothing(run, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("fooling.run.results.np.savez_compressed", full)
    code, _, complaint = run("trick --target 3")
    assert code == 130 and complaint == "interrupted\n"
    assert list((tmp_path / "runs").iterdir()) == []


def test_help_speaks_the_command_lines_own_words(capsys):
    assert main(["morph", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--from INT" in said and "from_" not in said
    assert "The class that the network shall see." in said


def test_the_default_classifier_is_used_where_none_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["trick", "--wandb.mode", "disabled"]) == 0
    assert (tmp_path / "runs/trick-3/trick.png").exists()


def test_the_class_for_none_of_these_has_a_name(run, tmp_path):
    rejecting = SoftmaxRegression(reject_class=True)
    torch.nn.init.normal_(rejecting.logits.weight, generator=torch.Generator().manual_seed(0))
    rejecting.save_pretrained(tmp_path / "rejecting")
    code, said, _ = run("trick --target 10 --model rejecting/")
    assert code == 0 and "is called none with" in said


def test_the_verbs_are_listed():
    said = subprocess.run(
        [sys.executable, "-m", "fooling", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(f"  {verb}" in said for verb in ("train", "trick", "morph", "explain", "evolve"))
