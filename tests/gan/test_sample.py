"""gan sample: a grid that can be seen, single files, and what it says of a run that still trains."""

import shutil

import numpy as np
import pytest
from PIL import Image

from fooling.images import to_uint8
from fooling.run.checkpoints import list_checkpoints
from fooling.show.grids import grid
from gan import Generator
from gan.__main__ import main
from gan.networks import DCGANGenerator


@pytest.fixture
def run(request, tmp_path, monkeypatch, capsys):
    """Types `gan sample RUN ...` in an empty folder: its exit code, what it said, what it complained of."""
    monkeypatch.chdir(tmp_path)

    def call(*options, run=None):
        run = run or request.getfixturevalue("debug_run")[0]
        code = main(["sample", str(run), *map(str, options)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def pixels_of(file):
    with Image.open(file) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def images(debug_run):
    """What the run's generator makes of seed 1, as bytes (10, 28, 28)."""
    return to_uint8(Generator.from_pretrained(debug_run[0] / "generator").sample(10, seed=1))[:, 0].numpy()


def test_a_grid_is_large_enough_to_see_and_of_the_size_one_asks_for(run, tmp_path, images):
    for options, scale in ([], 3), (["--scale", 1], 1), (["--scale", 5], 5):
        code, said, _ = run("--count", 10, "--seed", 1, "--out", "grid.png", *options)
        assert code == 0 and said == "10 images of 28 pixels in grid.png\n"
        pitch = 28 * scale + 2
        picture = pixels_of(tmp_path / "grid.png")
        assert picture.shape[:2] == (3 * pitch + 2, 4 * pitch + 2)
        assert np.array_equal(picture[2 + pitch : 2 * pitch : scale, 2:pitch:scale], images[4])


def test_each_image_in_a_file_of_its_own_is_the_image_to_the_pixel(run, tmp_path, images):
    code, said, _ = run("--count", 10, "--seed", 1, "--each", "true")
    assert code == 0 and said == "10 images of 28 pixels in samples\n"
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [f"{i:05d}.png" for i in range(10)]
    assert all(np.array_equal(pixels_of(tmp_path / "samples" / f"{i:05d}.png"), images[i]) for i in range(10))
    run("--count", 1, "--seed", 1, "--each", "true", "--scale", 2, "--out", "deep/large")
    assert np.array_equal(pixels_of(tmp_path / "deep/large/00000.png"), images[0].repeat(2, 0).repeat(2, 1))
    code, _, complaint = run("--each", "true")
    assert code == 2 and complaint == "error: samples exists: choose another folder with --out\n"


def test_a_folder_of_single_images_appears_whole_or_not_at_all(run, tmp_path, monkeypatch):
    written = []

    def failing(picture, path):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)

    monkeypatch.setattr("gan.sample.write_png", failing)
    assert run("--count", 10, "--each", "true")[0] == 130
    assert len(written) == 3 and list(tmp_path.iterdir()) == []


@pytest.fixture
def unfinished(debug_run, tmp_path):
    """The run as it was at its last checkpoint but one."""
    folder = tmp_path / "unfinished"
    shutil.copytree(debug_run[0], folder, ignore=shutil.ignore_patterns("wandb"))
    shutil.rmtree(list_checkpoints(folder / "checkpoints")[0])
    return folder


def test_of_a_run_in_training_it_says_so(run, unfinished, tmp_path):
    seen = int(list_checkpoints(unfinished / "checkpoints")[0].name)
    code, said, _ = run(run=unfinished)
    assert code == 0 and 0 < seen < 2000
    assert said == f"64 images of 28 pixels in samples.png, from an unfinished run: {seen / 1000:.3g} of 2 kimg\n"
    shutil.copytree(unfinished / "generator", tmp_path / "copied" / "generator")  # without what the run was
    assert run(run=tmp_path / "copied")[1] == "64 images of 28 pixels in samples.png\n"


@pytest.mark.parametrize(
    ("checkpoints", "when"), [(True, "when the same command goes on with it"), (False, "with the first checkpoint")]
)
def test_of_a_run_without_a_generator_it_says_when_there_will_be_one(run, unfinished, tmp_path, checkpoints, when):
    shutil.rmtree(unfinished / "generator")
    if not checkpoints:
        shutil.rmtree(unfinished / "checkpoints")
    code, _, complaint = run(run=unfinished)
    assert code == 2 and complaint == f"error: the run {unfinished} has no generator yet: it is written {when}\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["unfinished"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "0"], "scale must be a whole number of at least 1, got 0"),
        (["--out", "folder"], "--out must name a .png file, got folder; a folder is for --each"),
        (["--count", "0"], "count must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(run, tmp_path, options, message):
    code, _, complaint = run(*options)
    assert code == 2 and complaint.count("\n") == 1 and message in complaint
    assert list(tmp_path.iterdir()) == []


def test_colour_images_of_64_pixels_are_drawn_as_they_are(run, tmp_path):
    Generator(image_size=64, channels=3, latent_dim=4, width=4).save_pretrained(tmp_path / "colour")
    code, _, _ = run("--count", 4, run=tmp_path / "colour")
    assert code == 0 and pixels_of(tmp_path / "samples.png").shape == (2 * 66 + 2, 2 * 66 + 2, 3)


@pytest.fixture
def with_classes(tmp_path):
    generator = DCGANGenerator(num_classes=10, latent_dim=4, width=4).eval()
    generator.save_pretrained(tmp_path / "classes")
    return generator


def test_labels_say_what_is_drawn(run, tmp_path, with_classes):
    for options, labels in ((["--labels", 3, 3, 8], [3, 3, 8]), (["--labels", 3, "--count", 2], [3, 3])):
        code, said, _ = run(*options, "--scale", 1, run=tmp_path / "classes")
        assert code == 0 and said == f"{len(labels)} images of 28 pixels in samples.png\n"
        expected = grid(with_classes.sample(labels=labels), scale=1)
        assert np.array_equal(pixels_of(tmp_path / "samples.png"), expected[..., 0])


def test_with_classes_and_without_labels_every_column_is_a_class(run, tmp_path, with_classes):
    assert run("--count", 20, "--scale", 1, run=tmp_path / "classes")[0] == 0
    picture = pixels_of(tmp_path / "samples.png")
    assert picture.shape == (2 * 30 + 2, 10 * 30 + 2)
    sevens = to_uint8(with_classes.sample(20, labels=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9] * 2))[7::10, 0]
    assert np.array_equal(picture[2:30, 212:240], sevens[0])
    assert np.array_equal(picture[32:60, 212:240], sevens[1])


@pytest.mark.parametrize(
    ("folder", "options", "message"),
    [
        ("plain", [3], "this generator was trained without classes: it takes no labels"),
        ("classes", [3, 10], "labels must be from 0 to 9, got 10"),
        ("classes", [3, 3, "--count", 4], "4 images need as many labels, got 2"),
    ],
)
def test_labels_that_nothing_can_be_drawn_of_are_refused(run, tmp_path, with_classes, folder, options, message):
    DCGANGenerator(latent_dim=4, width=4).save_pretrained(tmp_path / "plain")
    code, _, complaint = run("--labels", *options, run=tmp_path / folder)
    assert code == 2 and complaint == f"error: {message}\n" and not (tmp_path / "samples.png").exists()
