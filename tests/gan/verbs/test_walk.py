"""gan walk: what its films show, frame by frame."""

import sys

import numpy as np
import pytest
import torch

from fooling.show.grids import grid
from gan.latent import draw_latents, interpolate


def test_the_film_leads_from_seed_to_seed_and_back(run, tmp_path, toy, frames_of):
    code, said, _ = run("walk toy --seeds 3 17 42 --steps 4 --scale 2")
    frames = frames_of(tmp_path / "walk.gif")
    assert code == 0 and said == "12 frames through 3 images, 1 seconds, in walk.gif\n"
    assert len(frames) == 12
    for i, seed in enumerate([3, 17, 42]):  # what gan sample --seed draws first
        expected = grid(toy.sample(1, seed=seed), scale=2)
        assert np.abs(frames[4 * i].astype(int) - expected).max() <= 12  # a GIF has 128 colours here


@pytest.mark.parametrize("way", ["circle", "straight"])
def test_an_open_way_ends_on_the_last_image_and_takes_the_way_it_is_told(run, tmp_path, toy, frames_of, way):
    assert run(f"walk toy --samples 5 0 --seed 2 --steps 6 --closed false --scale 1 --way {way}")[0] == 0
    frames = frames_of(tmp_path / "walk.gif")
    five, zero = draw_latents(6, 8, seed=2)[[5, 0]]
    latents = torch.cat([interpolate(five, zero, 6, way=way), zero[None]])
    expected = np.stack([grid(image[None]) for image in toy.sample(latents=latents)])
    assert frames.shape == expected.shape and np.abs(frames.astype(int) - expected).max() <= 12


def test_by_default_the_tour_is_begun_everywhere_at_once(run, tmp_path, toy, frames_of):
    assert run("walk toy --steps 2 --scale 1")[0] == 0
    frames = frames_of(tmp_path / "walk.gif")
    assert len(frames) == 18
    assert np.abs(frames[0].astype(int) - grid(toy.sample(9))).max() <= 12
    ahead = grid(toy.sample(9).roll(-1, 0))  # two frames later every panel is where its neighbour was
    assert np.abs(frames[2].astype(int) - ahead).max() <= 12


def test_with_classes_all_of_them_go_the_same_way(run, tmp_path, toy_of_classes, frames_of):
    assert run("walk classes --seeds 0 1 --steps 2 --scale 1")[0] == 0
    frames = frames_of(tmp_path / "walk.gif")
    expected = grid(toy_of_classes.sample(latents=draw_latents(1, 8, 1).expand(3, -1), labels=range(3)), 3)
    assert np.abs(frames[2].astype(int) - expected).max() <= 12
    assert run("walk classes --seeds 0 1 --steps 2 --scale 1 --labels 2 --out one.gif")[0] == 0
    assert frames_of(tmp_path / "one.gif").shape[1:] == (12, 12, 3)


def test_an_mp4_shows_the_same_and_plays_as_fast(run, tmp_path, toy, frames_of):
    av = pytest.importorskip("av")  # which the extra `video` brings
    assert run("walk toy --seeds 3 17 --steps 5 --fps 12.5 --out deep/walk.mp4")[0] == 0
    assert run("walk toy --seeds 3 17 --steps 5")[0] == 0
    film, gif = frames_of(tmp_path / "deep/walk.mp4"), frames_of(tmp_path / "walk.gif")
    assert film.shape == gif.shape == (10, 260, 260, 3)
    assert np.abs(film.astype(int) - gif).mean() < 6
    with av.open(tmp_path / "deep/walk.mp4") as opened:
        stream = opened.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, float(stream.average_rate)) == ("h264", "yuv420p", 12.5)


def test_without_pyav_an_mp4_is_refused_and_it_is_said_what_brings_it(run, tmp_path, toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    code, _, complaint = run("walk toy --out walk.mp4")
    assert code == 2 and "pip install av" in complaint and complaint.count("\n") == 1
    assert not list(tmp_path.glob("*walk*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--out walk.png", "--out must name a .gif or a .mp4 file, got walk.png"),
        ("--seeds 3", "a way leads through at least two images"),
        ("--seeds 1 2 --samples 1 2", "--seeds and --samples both say where the way leads"),
        ("--samples 1 -2", "numbers of images, from 0 on, got -2"),
        ("--labels 1", "this generator was trained without classes: it takes no labels"),
        ("--fps 60", "fps must be above 0 and at most 50, got 60"),
        ("--way crooked", "way must be circle or straight"),
    ],
)
def test_a_walk_that_cannot_be_is_refused_in_one_line(run, tmp_path, toy, options, message):
    code, _, complaint = run(f"walk toy {options}")
    assert code == 2 and complaint.count("\n") == 1 and message in complaint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["toy"]
