"""A folder of one's own images, from training to every verb: its names, its size, its held-out part."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from fooling.__main__ import main
from fooling.classifiers.load import data_for, load_classifier, misfit
from fooling.classifiers.networks import LeNet, SoftmaxRegression, class_names
from fooling.classifiers.train import accuracy
from fooling.data.load import DataConfig, load
from fooling.errors import UserError

QUIET = ["--wandb.mode", "disabled"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with shapes/, of two kinds, and runs/shapes, trained on it at 20 pixels in grey."""
    place = tmp_path_factory.mktemp("own")
    for kind in ("circle", "square"):
        (place / "shapes" / kind).mkdir(parents=True)
        for i in range(60):
            image = Image.new("RGB", (40, 40), "white")
            box = (4 + i % 7, 4 + i % 5, 30 + i % 6, 30 + i % 4)
            draw = ImageDraw.Draw(image)
            (draw.ellipse if kind == "circle" else draw.rectangle)(box, (i, 0, 2 * i))
            image.save(place / "shapes" / kind / f"{i}.png")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        patched.setenv("FOOLING_CACHE", str(place / "cache"))
        data = ["--data.name", "folder", "--data.folder", "shapes", "--data.image_size", "20", "--data.channels", "1"]
        assert main(["train", "--name", "shapes", "--kimg", "2", "--batch_size", "32", *data, *QUIET]) == 0
    return place


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained)
    monkeypatch.setenv("FOOLING_CACHE", str(trained / "cache"))
    monkeypatch.setattr("fooling.verbs.story._FRAMES", 4)
    yield trained
    for folder in (trained / "runs").iterdir():
        if folder.name != "shapes":
            shutil.rmtree(folder)


def test_the_accuracy_is_that_on_images_it_was_not_trained_on(here):
    classifier = load_classifier("runs/shapes")
    train, test = (
        load("folder", split, folder="shapes", image_size=20, channels=1, root=here / "cache")
        for split in ("train", "test")
    )
    lines = [json.loads(line) for line in (here / "runs/shapes/metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["test_accuracy"] == pytest.approx(accuracy(classifier, test)) and len(train) + len(test) == 120
    assert "of the test images right" in (here / "runs/shapes/classifier/README.md").read_text()


def test_a_saved_classifier_knows_what_its_classes_are_called(here, tmp_path, capsys):
    assert class_names(load_classifier("runs/shapes")) == ("circle", "square")
    copied = shutil.copytree("runs/shapes/classifier", tmp_path / "copied")  # which knows of no data
    assert main(["trick", "--model", str(copied), "--target", "0", "--output", str(tmp_path / "trick"), *QUIET]) == 0
    assert "called a circle" in capsys.readouterr().out.replace("\u00a0", " ")


def test_one_of_an_older_version_and_one_of_digits_do_not_say(tmp_path):
    folder = LeNet(num_classes=2, class_names=["circle", "square"]).save_pretrained(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    assert config.pop("class_names") == ["circle", "square"]
    (folder / "config.json").write_text(json.dumps(config))
    assert class_names(load_classifier(folder)) == ("0", "1")
    assert "class_names" not in LeNet(class_names=list("0123456789")).config
    assert class_names(LeNet(num_classes=2, reject_class=True, class_names=["a", "b"])) == ("a", "b", "none")
    with pytest.raises(UserError, match="3 classes need as many names, got 2: a, b"):
        LeNet(num_classes=3, class_names=["a", "b"])


@pytest.mark.parametrize(
    "command",
    ["trick --target 1", "morph --from 0 --to 1", "explain --digit 0 --towards 1", "evolve --evaluations 400"],
)
def test_the_folder_of_a_run_is_all_that_a_verb_needs(here, tmp_path, command, capsys):
    out = tmp_path / "out"
    assert main([*command.split(), "--model", "runs/shapes", "--output", str(out), *QUIET]) == 0, capsys.readouterr()
    said = capsys.readouterr().out + (out / "summary.json").read_text()
    assert "circle" in said or "square" in said
    used = json.loads((out / "summary.json").read_text())["settings"]["data"]  # what was, not what was left unsaid
    assert (used["name"], used["folder"]) == ("folder", "shapes")
    if command.startswith("explain"):
        held_out = len(load("folder", "test", folder="shapes", image_size=20, root=here / "cache"))
        assert f"of {held_out} test images wrong" in said


def test_without_the_images_of_its_run_a_network_can_still_be_tricked(here, tmp_path, capsys):
    moved = shutil.copytree(here / "runs", tmp_path / "runs")
    config = (moved / "shapes/config.yaml").read_text()
    (moved / "shapes/config.yaml").write_text(config.replace("folder: shapes", "folder: gone"))
    told = ["--model", str(moved / "shapes"), *QUIET, "--output", str(tmp_path / "out")]
    assert main(["trick", "--target", "1", *told]) == 0
    assert "gone" in capsys.readouterr().out
    assert main(["morph", "--from", "0", "--to", "1", *told]) == 2
    assert (
        "there are no test images that it was not trained on; or name an image of yours with --image"
        in capsys.readouterr().err
    )


def test_a_folder_takes_the_size_of_the_classifier(here, tmp_path):
    told = ["--model", "runs/shapes/classifier", "--data.name", "folder", "--data.folder", "shapes", *QUIET]
    assert main(["morph", "--from", "0", "--to", "1", "--output", str(tmp_path / "out"), *told]) == 0
    assert np.load(tmp_path / "out" / "numbers.npz")["images"].shape[1:] == (1, 20, 20)


def test_which_data_is_shown_to_whom(here, tmp_path):
    own, small = load_classifier("runs/shapes"), SoftmaxRegression(image_size=20)
    of_run = data_for({"runs/shapes": own}, DataConfig())
    assert (of_run.name, of_run.image_size, of_run.test_share) == ("folder", 20, 0.1)
    assert data_for({"lenet": LeNet()}, DataConfig()) == DataConfig()
    assert data_for({"x:y": small}, DataConfig()) == DataConfig()  # it may be anything's: MNIST is not made to fit
    assert data_for({"x:y": small}, DataConfig(name="kmnist")) == DataConfig("kmnist", image_size=20, channels=1)
    asked = DataConfig(name="kmnist", image_size=28)
    assert data_for({"x:y": small}, asked) == DataConfig("kmnist", image_size=28, channels=1)
    other = shutil.copytree(here / "runs/shapes", tmp_path / "other")
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("image_size: 20", "image_size: 16"))
    with pytest.raises(UserError, match=r"runs/shapes and .*other were trained on different data"):
        data_for({"runs/shapes": own, str(other): own}, DataConfig())


def test_what_a_run_held_out_is_held_out_of_the_folder_named_too(here, tmp_path, capsys):
    """Else what it was trained on would be called test images, as of every run of an older version."""
    old = shutil.copytree(here / "runs/shapes", tmp_path / "old")
    config = yaml.safe_load((old / "config.yaml").read_text())
    del config["data"]["test_share"], config["data"]["split_seed"]
    (old / "config.yaml").write_text(yaml.safe_dump(config))
    mine, classifier = DataConfig(name="folder", folder=str(here / "shapes")), load_classifier(old)
    assert data_for({str(old): classifier}, mine).test_share == 0
    assert data_for({"runs/shapes": classifier}, replace(mine, test_share=0.5)).test_share == 0.1
    assert data_for({"runs/shapes/classifier": classifier}, replace(mine, test_share=0.5)).test_share == 0.1
    assert data_for({"elsewhere": classifier}, replace(mine, test_share=0.5)).test_share == 0.5
    with pytest.raises(UserError, match=r"runs/shapes and .*old hold out different images of .*shapes"):
        data_for({"runs/shapes": classifier, str(old): classifier}, mine)
    told = ["--model", str(old), *QUIET, "--output", str(tmp_path / "out")]
    assert main(["trick", "--target", "1", *told]) == 0
    assert main(["morph", "--from", "0", "--to", "1", *told]) == 2
    assert "no test images that it was not trained on" in capsys.readouterr().err


def test_what_does_not_fit_names_a_way_out(here):
    digits, shapes = load("mnist", "test"), load("folder", "test", folder="shapes", root=here / "cache")
    assert misfit(digits, LeNet()) is None
    assert misfit(digits, LeNet(image_size=20, channels=3)).endswith("--data.image_size 20 --data.channels 3")
    assert misfit(shapes, load_classifier("runs/shapes")).endswith("--data.image_size 20 --data.channels 1")
    named = LeNet(class_names=list("abcdefghij"))
    assert "10 classes (0, 1, 2, ...), the classifier takes 1 x 28 x 28 in 10 (a, b, c, ...)" in misfit(digits, named)
    for one in (named, LeNet(num_classes=2)):
        assert misfit(digits, one).endswith("--data.name SET, or --data.name folder --data.folder DIR")
