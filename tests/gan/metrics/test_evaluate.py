import json

import pytest
import torch
from PIL import Image
from tiny_ruler import cornered, tiny_ruler

from fooling.data.load import DataConfig
from fooling.errors import UserError
from fooling.images import Images
from fooling.run.tracking import WandbConfig
from gan.metrics import evaluate as module
from gan.metrics.classification_accuracy import classification_accuracy_score
from gan.metrics.evaluate import EvaluateConfig, evaluate
from gan.networks.generator import Generator


@pytest.fixture
def generators(tmp_path):
    """Two runs' folders, as far as an evaluation looks at them."""
    for name, seed in (("one", 0), ("two", 1)):
        torch.manual_seed(seed)
        folder = tmp_path / "runs" / name
        Generator(image_size=8, width=4, latent_dim=4).save_pretrained(folder / "generator")
        (folder / "config.yaml").write_text("kimg: 1\ngenerator: {}\ndata: {name: mnist, image_size: 8, channels: 1}\n")
    return [str(tmp_path / "runs" / name) for name in ("one", "two")]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What rulers were asked for; each is tiny."""
    asked = []

    def of(data, kind, processes):
        asked.append((data, kind))
        return tiny_ruler(tmp_path / "cache", train=600)

    monkeypatch.setattr(module.Ruler, "of", of)
    monkeypatch.chdir(tmp_path)
    return asked


def test_runs_side_by_side_with_the_floor(generators, asked, capsys):
    folder = evaluate(EvaluateConfig(generators, count=300, wandb=WandbConfig(mode="disabled")))
    assert asked == [(DataConfig("mnist", image_size=8, channels=1), "auto")]
    names = {"evaluation.md", "summary.json", "numbers.npz", "classes.png"}
    names |= {f"{run}-{picture}.png" for run in ("one", "two") for picture in ("samples", "neighbours")}
    assert {file.name for file in folder.iterdir()} == names and str(folder) == "runs/evaluate"
    for name in sorted(names):
        if name.endswith(".png"):
            with Image.open(folder / name) as picture:
                assert len(picture.convert("L").getcolors()) > 1
    summary = json.loads((folder / "summary.json").read_text())
    assert list(summary["figures"]) == ["floor", "one", "two"]
    assert summary["figures"]["one"]["corners_fd"] > 10 * summary["figures"]["floor"]["corners_fd"]
    assert "nearest_ratio" not in summary["figures"]["floor"]  # whose images are training images
    assert sum(summary["classes"]["two"]) == 300 and summary["settings"]["seed"] == 1
    page, out = (folder / "evaluation.md").read_text(), capsys.readouterr().out
    assert page.startswith("300 samples of each, seed 1, measured by corners-v1, against the 1,000 test images of corn")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert rows[0] == "|  | floor | one | two |" and all(row.count("|") == 5 for row in rows)
    for words in ("corners FD (-)", "coverage (+)", "classes met (+)", "distance to training"):
        assert words in out and words in page
    assert "classification accuracy" not in out


def test_the_classification_accuracy_score_stands_beside_that_of_real_images(generators, asked, monkeypatch, capsys):
    taught = []
    monkeypatch.setattr(
        module, "classification_accuracy_score", lambda samples, *_, **__: taught.append(samples) or 0.5 / len(taught)
    )
    evaluate(EvaluateConfig(generators[:1], count=50, cas=True, output="here", wandb=WandbConfig(mode="disabled")))
    reals, samples = taught
    assert torch.equal(reals.images, cornered(600, 1).images) and len(samples) == 600
    assert samples.labels.shape == (600,)  # for lack of classes, those that the extractor sees
    out = capsys.readouterr().out
    assert "taught with 600 images, of the classes asked for; those of one as corners-v1 reads them." in out
    (line,) = [line for line in out.splitlines() if line.startswith("classification accuracy")]
    assert line.split()[-2:] == ["50.00%", "25.00%"]


def test_what_cannot_be_compared_is_refused(generators, asked, tmp_path):
    other = tmp_path / "runs" / "two" / "config.yaml"
    other.write_text(other.read_text().replace("mnist", "fashion-mnist"))
    with pytest.raises(UserError, match=r"one and .*two learned from different images: evaluate them apart"):
        evaluate(EvaluateConfig(generators, count=50))
    with pytest.raises(UserError, match="name at least one run"):
        EvaluateConfig([])
    assert not (tmp_path / "runs" / "evaluate").exists()


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["runs/a", "/deep/b/", "hub:owner/c"], ["a", "b", "c"]),
        (["x/runs/a", "y/runs/a"], ["x-runs-a", "y-runs-a"]),
        (["runs/floor"], ["runs-floor"]),
        (["runs/a", "runs/a/"], ["0-runs-a", "1-runs-a"]),
    ],
)
def test_labels_are_as_short_as_they_can_be(names, labels):
    assert module._labels(names) == labels


def test_a_classifier_learns_of_good_samples_what_it_does_not_of_bad_ones():
    def striped(count, seed, swapped=False):
        """Images of 16 pixels with an edge that lies, or stands."""
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(2, (count,), generator=generator)
        images = torch.randint(90, (count, 1, 16, 16), generator=generator, dtype=torch.uint8)
        images[:, :, :, 8:] += 120
        images[labels == 1] = images[labels == 1].mT
        return Images(images, 1 - labels if swapped else labels, ("lies", "stands"))

    test = striped(200, 2)
    good = classification_accuracy_score(striped(400, 1), test, images_seen=640)
    assert good > 0.97
    assert classification_accuracy_score(striped(400, 1, swapped=True), test, images_seen=640) < 0.03
    assert classification_accuracy_score(striped(400, 1), test, images_seen=640) == good
