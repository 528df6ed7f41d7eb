"""gan sheet: which image stands where."""

import pytest
import torch
from PIL import Image

from gan.networks import DCGANGenerator


def test_every_row_holds_the_first_images_that_are_read_as_its_class(run, drawn, tmp_path, toy, reader):
    code, said, _ = run("sheet toy --count 5 --model reader --out deep/sheet.png")
    assert code == 0 and said == "2 classes, as read by reader, in deep/sheet.png\n"
    rows, texts = drawn["sheet"]
    first = toy.sample(1000)
    is_light = first[:, 0, 0, 0] > 0.5
    for images, expected in zip(rows, (first[~is_light][:5], first[is_light][:5]), strict=True):
        torch.testing.assert_close(images, expected)
    shares = [float(text.split("\n")[1].removesuffix("\u00a0%")) for text in texts]
    light = 100 * is_light.float().mean().item()
    assert shares == pytest.approx([100 - light, light], abs=0.51)
    with Image.open(tmp_path / "deep/sheet.png") as picture:
        assert min(picture.size) > 160


def test_with_classes_a_column_is_one_latent(run, drawn, toy_of_classes):
    code, said, _ = run("sheet classes --count 4 --labels 2 0 --seed 7")
    assert code == 0 and said.startswith("2 classes, each drawn for its label, in every column from one latent")
    rows, texts = drawn["sheet"]
    assert texts == ["2", "0"]
    for images, label in zip(rows, (2, 0), strict=True):
        torch.testing.assert_close(images, toy_of_classes.sample(4, seed=7, labels=label))
    assert torch.equal(rows[0][..., 4:, :], rows[1][..., 4:, :]) and not torch.equal(rows[0], rows[1])


@pytest.mark.parametrize(("folder", "model"), [("classes", ""), ("toy", "--model reader")])
def test_shorter_latents_draw_paler_images(run, drawn, toy, toy_of_classes, reader, folder, model):
    assert run(f"sheet {folder} --count 4 --truncation 0.01 {model}")[0] == 0
    assert all((images[..., 4:, :] - 0.5).abs().max() < 0.05 for images in drawn["sheet"][0])


def test_digits_are_read_by_the_judge_and_of_a_class_that_never_comes_the_row_is_empty(
    run, drawn, tmp_path, monkeypatch
):
    monkeypatch.setattr("gan.verbs.sheet._AT_MOST", 100)
    monkeypatch.setattr("gan.verbs.arguments._BLOCK", 50)
    DCGANGenerator(latent_dim=4, width=2).save_pretrained(tmp_path / "digits")  # which has learned nothing
    code, said, _ = run("sheet digits")
    rows, texts = drawn["sheet"]
    assert code == 0 and "as read by the judge, which has 99.55 % of 10,000 held-out images right" in said
    assert len(rows) == len(texts) == 10 and texts[[len(images) for images in rows].index(0)].endswith("\nnone")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--labels 2 --model reader", "--labels 2 is no class: there are 2, 0 to 1"),
        ("--out sheet.jpg", "--out must name a .png file, got sheet.jpg"),
        ("--count 0", "count must be above 0"),
        ("", "what this generator learned from is not known"),
    ],
)
def test_a_sheet_that_cannot_be_is_refused_in_one_line(run, tmp_path, toy, reader, options, message):
    code, _, complaint = run(f"sheet toy {options}")
    assert code == 2 and complaint.count("\n") == 1 and message in complaint
    assert not (tmp_path / "sheet.png").exists()


def test_of_a_thousand_classes_no_judge_is_trained(run, tmp_path, toy, monkeypatch):
    monkeypatch.setattr("gan.verbs.arguments._MOST_CLASSES", 9)
    code, _, complaint = run("sheet toy --data.name mnist --data.image_size 8")
    assert code == 2 and complaint == "error: no judge learns the 10 classes of mnist: name what reads them, --model\n"
