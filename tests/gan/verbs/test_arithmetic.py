"""gan arithmetic: what adding means draws, and how it is told."""

import numpy as np
import pytest
import torch
from PIL import Image

from fooling.classifiers.load import load_classifier
from fooling.seeds import seed_of
from gan.latent import combine, draw_latents


def test_dark_images_become_light_ones_the_stronger_the_more(run, results, tmp_path, toy, reader):
    code, said, _ = run(
        "arithmetic toy --from 0 --to 1 --strengths 1 2 --count 300 --model reader --wandb.mode disabled"
    )
    summary, numbers = results("toy-arithmetic")
    shares = summary["read_as_to"]
    assert code == 0 and shares["0"] == 0 and 0.5 < shares["1"] < shares["2"] and shares["2"] > 0.9
    assert summary["samples"] == 300 and (summary["from"], summary["to"]) == ("dark", "light")
    assert said.startswith("A dark becomes a light: t times the difference of their mean latents is added.")
    assert f"Of 300 fresh samples, read as a light: {100 * shares['1']:.0f} % at t = 1, " in said
    # What the two classes differ in is the first number of a latent, and nothing else.
    direction = torch.from_numpy(numbers["direction"])
    assert direction[0] == pytest.approx(2 * (2 / torch.pi) ** 0.5, abs=0.1) and direction[1:].abs().max() < 0.2
    # The shares are those of latents that the means were not taken from, none of which drew a light image.
    latents = torch.from_numpy(numbers["latents"])
    of_means = draw_latents(2000, 8, seed=seed_of(0, "means"))
    assert (latents[:, 0] < 0).all() and not (latents[:, None] == of_means).all(2).any()
    folder = tmp_path / "runs/toy-arithmetic"
    assert {p.name for p in folder.iterdir()} == {"arithmetic.png", "arithmetic.gif", "summary.json", "numbers.npz"}
    with Image.open(folder / "arithmetic.png") as picture:
        assert min(picture.size) > 300


def test_the_same_command_gives_the_same_numbers(run, results, toy, reader):
    for _ in range(2):
        assert run("arithmetic toy --from 1 --to 0 --count 50 --model reader --wandb.mode disabled")[0] == 0
    first, second = (results(name)[1] for name in ("toy-arithmetic", "toy-arithmetic-2"))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_chosen_samples_add_up(run, results, toy):
    code, said, _ = run("arithmetic toy --add 3 17 --subtract 5 --seed 4 --wandb.mode disabled")
    _, numbers = results("toy-arithmetic")
    latents = draw_latents(18, 8, seed=4)
    expected = toy.sample(latents=combine(latents[[3, 17]], latents[[5]])[None])[0]
    assert code == 0 and said.startswith(
        "3 + 17 \u2212 5, of the samples of seed 4: of single latents nobody can foresee"
    )
    assert np.allclose(numbers["image"], expected, atol=1e-6)
    assert np.allclose(numbers["images"], toy.sample(18, seed=4)[[3, 17, 5]], atol=1e-6)


def test_with_classes_chosen_samples_add_up_to_the_class_of_the_first(run, results, toy_of_classes):
    assert run("arithmetic classes --add 2 4 --wandb.mode disabled")[0] == 0
    image = results("classes-arithmetic")[1]["image"]
    assert np.allclose(image[0, :4], 1 / (1 + np.exp(-1)))  # of class 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--from 0 --to 2 --model reader", "--to 2 is no class: there are 2, 0 to 1"),
        ("--from 1 --to 1 --model reader", "the images are a\u00a0light already: choose another --to"),
        ("--subtract 3", "--subtract takes images away from those of --add"),
        ("--add 3 4 --to 1", "--add is about images, --from and --to are about classes"),
        ("--add 3", "one image adds up to nothing new"),
        ("--add 3 -1", "by its number among the samples, from 0 on, got -1"),
        ("", "what this generator learned from is not known: say it with --data.name"),
        ("--model lenet", "lenet reads images of 1 x 28 x 28, the generator draws 1 x 8 x 8"),
    ],
)
def test_arithmetic_that_cannot_be_is_refused_in_one_line(run, tmp_path, toy, reader, options, message):
    code, _, complaint = run(f"arithmetic toy {options}")
    assert code == 2 and complaint.count("\n") == 1 and message in complaint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["reader", "toy"]


def test_a_class_that_is_never_drawn_has_no_mean_to_add(run, toy, reader):
    network = load_classifier(reader)
    with torch.no_grad():
        network.logits.bias.copy_(torch.tensor([0.0, -99.0]))
    network.save_pretrained(reader)
    code, _, complaint = run("arithmetic toy --from 0 --to 1 --model reader")
    assert code == 2 and "none of 2,000 samples is read as a\u00a0light" in complaint


def test_of_a_generator_with_classes_one_asks_for_them(run, toy_of_classes):
    code, _, complaint = run("arithmetic classes --from 0 --to 1")
    assert code == 2 and "gan sample --labels" in complaint
