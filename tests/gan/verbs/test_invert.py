"""gan invert: an image is found again, and how near anything else comes is told."""

import numpy as np
import pytest
import torch

from fooling.files import write_png
from fooling.show.grids import grid
from gan.networks import DCGANGenerator


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr("gan.inversion._POOL", 100)
    monkeypatch.setattr("gan.inversion._ITERATIONS", 60)


def test_an_image_of_its_own_in_a_file_is_found_again(run, results, tmp_path, toy):
    """In ink on paper, so that it has to be turned round."""
    image = toy.sample(1, seed=77)[0]
    write_png(grid(1 - image[None], padding=0), tmp_path / "mine.png")
    code, said, _ = run("invert toy --image mine.png --negative true --starts 4 --steps 20 --wandb.mode disabled")
    summary, numbers = results("toy-invert")
    assert code == 0 and summary["distance"] < 0.03  # whole levels of grey are 0.01 away by themselves
    assert summary["distance"] == pytest.approx(np.linalg.norm(numbers["found"] - numbers["image"]), abs=1e-5)
    assert max(summary["distances_of_own_images"]) < 0.03
    assert np.allclose(toy.sample(latents=torch.from_numpy(numbers["latent"])[None])[0], image, atol=0.01)
    assert said.startswith(f"The nearest to mine.png that the generator was found to draw is {summary['distance']:.3g}")
    names = {"invert.png", "invert.gif", "distances.png", "image.png", "summary.json", "numbers.npz"}
    assert {p.name for p in (tmp_path / "runs/toy-invert").iterdir()} == names


def test_a_test_image_by_its_number(run, results, tmp_path, digits):
    DCGANGenerator(latent_dim=4, width=2).save_pretrained(tmp_path / "digits")
    code, _, _ = run("invert digits --index 7 --starts 2 --steps 2 --wandb.mode disabled")
    summary, numbers = results("digits-invert")
    assert code == 0 and summary["image"] == "test image 7" and np.array_equal(numbers["image"], digits[0][7])
    assert numbers["curve"].shape == (3, 2) and summary["distance"] == pytest.approx(numbers["curve"][-1].min())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--image nothing.png", "no such file: nothing.png"),
        ("--image a.png --index 3", "--image and --index both say what to look for"),
        ("--negative true", "--negative is for --image"),
        ("--steps 0", "steps must be above 0"),
        ("--index 3", "what this generator learned from is not known"),
        ("--index -1 --data.name mnist --data.image_size 8", "there is no test image -1: there are 10,000, from 0 on"),
    ],
)
def test_an_image_that_cannot_be_looked_for_is_refused_in_one_line(run, tmp_path, toy, options, message):
    code, _, complaint = run(f"invert toy {options}")
    assert code == 2 and complaint.count("\n") == 1 and message in complaint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["toy"]
