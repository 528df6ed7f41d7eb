"""The training command, run as its user runs it: what it writes, that it resumes exactly, that processes agree."""

import json
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, final_state, kill_family, tensors_of, wait_for
from offline_wandb import Kept
from PIL import Image

from fooling import Pretrained
from fooling.data.batches import Batches
from fooling.data.load import load
from fooling.run.checkpoints import list_checkpoints, load_checkpoint
from fooling.show.grids import grid
from gan import Discriminator, Generator
from gan.__main__ import main

DEBUG = ["train", "--config", ROOT / "configs" / "debug.yaml"]
QUIET = ["--wandb.mode", "disabled", "--metrics.kimg", "0"]


def gan(*arguments: object) -> int:
    """The command in this process, where it needs none of its own: its exit code."""
    return main([*map(str, arguments)])


def pixels_of(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image)


def figures_of(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if "second" not in k} for line in lines]  # all but the timings


def assert_same_run(folder: Path, uninterrupted: Path) -> None:
    got, want = tensors_of(final_state(folder)), tensors_of(final_state(uninterrupted))
    assert got.keys() == want.keys()
    assert [k for k in want if not torch.equal(got[k], want[k])] == []
    saved = "generator/model.safetensors"
    assert (folder / saved).read_bytes() == (uninterrupted / saved).read_bytes()
    assert (folder / "generator/samples.png").read_bytes() == (uninterrupted / "generator/samples.png").read_bytes()
    assert not list(folder.rglob("*partial*"))
    assert figures_of(folder) == figures_of(uninterrupted)
    names = [[p.name for p in sorted((f / "samples").iterdir())] for f in (folder, uninterrupted)]
    assert names[0] == names[1]


class TestWhatARunLeaves:
    def test_the_folder_explains_itself(self, debug_run):
        folder, printed = debug_run
        for name in ("config.yaml", "metrics.jsonl", "progress.gif", "latent_walk.gif", "generator/README.md"):
            assert (folder / name).stat().st_size > 0
        assert str(Path("runs/debug/generator")) in printed
        assert not list(folder.rglob("*partial*"))

    def test_metrics_say_what_happened(self, debug_run):
        lines = [json.loads(line) for line in (debug_run[0] / "metrics.jsonl").read_text().splitlines()]
        assert [line["images_seen"] for line in lines] == [1024, 2048]
        for name in ("discriminator_loss", "generator_loss", "real_score", "fake_score", "penalty"):
            assert all(np.isfinite(line[name]) for line in lines)
        assert all(line["images_per_second"] > 0 and line["generator_gradient_norm"] > 0 for line in lines)
        assert lines[-1]["discriminator_loss"] < np.log(2)  # what telling nothing apart would cost

    def test_samples_are_pictures_of_the_same_latents(self, debug_run):
        pictures = [pixels_of(p) for p in sorted((debug_run[0] / "samples").glob("*.png"))]
        assert len(pictures) == 4  # every 0.5 of 2 kimg
        assert {p.shape[:2] for p in pictures} == {(4 * 86 + 2, 4 * 86 + 2)}  # every pixel as 3 x 3
        assert all(p.std() > 5 for p in pictures)
        with Image.open(debug_run[0] / "progress.gif") as film:
            assert film.n_frames == 4
        with Image.open(debug_run[0] / "latent_walk.gif") as film:
            assert film.n_frames == 72 and film.size == (260, 260)

    def test_real_images_are_shown_beside(self, debug_run):
        """The first of the run's own stream: a grid of 16."""
        images = load("mnist").images[Batches(load("mnist")).indices(0, 16)]
        assert np.array_equal(pixels_of(debug_run[0] / "reals.png"), grid(images, scale=None)[..., 0])

    def test_the_generator_is_loaded_in_one_line(self, debug_run):
        folder = debug_run[0]
        images = Generator.from_pretrained(folder / "generator").sample(9, seed=0)
        assert images.shape == (9, 1, 28, 28) and images.min() >= 0 and images.max() <= 1
        average = tensors_of(final_state(folder)["average"])
        saved = Generator.from_pretrained(folder / "generator").state_dict()
        assert all(torch.equal(saved[name], tensor) for name, tensor in average.items())

    def test_so_is_the_discriminator(self, debug_run):
        trained = tensors_of(final_state(debug_run[0])["discriminator"])
        saved = Discriminator.from_pretrained(debug_run[0] / "discriminator").state_dict()
        assert all(torch.equal(saved[name], tensor) for name, tensor in trained.items())

    def test_the_card_shows_settings_and_samples(self, debug_run):
        card = (debug_run[0] / "generator" / "README.md").read_text()
        assert "![samples](samples.png)" in card and "width: 8" in card and "2,048 images" in card
        assert (debug_run[0] / "generator" / "samples.png").exists()

    def test_wandb_holds_it_all_offline(self, debug_run):
        """Read back with wandb's own reader; the pictures are opened."""
        folder, printed = debug_run
        assert "wandb is offline" in printed and "wandb sync runs/debug/wandb/offline-run-*" in printed
        kept = Kept(folder)
        text = json.dumps(kept.history)
        for name in ("discriminator_loss", "generator_gradient_norm", "images_per_second", "latent_walk", "progress"):
            assert name in text
        figures = kept.history[2048]
        assert (figures["generator_learning_rate"], figures["discriminator_learning_rate"]) == (0.003, 0.003)
        assert (figures["gamma"], figures["ema_half_life_kimg"]) == (0.1, pytest.approx(0.05 * 2.048))
        assert kept.config["batch_size"] == 64
        resolved = kept.config["resolved"]
        assert (resolved["mixed_precision"], resolved["device"]) in (("no", "cpu"), ("bf16", "cpu"))
        assert (resolved["processes"], resolved["threads"], resolved["torch"]) == (1, 1, torch.__version__)
        for name in ("generator", "discriminator"):
            network = Pretrained.from_pretrained(folder / name)
            assert resolved["parameters"][name] == sum(p.numel() for p in network.parameters())
        assert "debug-generator" in kept.text
        logged = kept.media("samples")
        assert list(logged) == [512, 1024, 1536, 2048]
        logged = {folder / "samples" / f"{step:09d}.png": file for step, file in logged.items()}
        for local, file in {**logged, folder / "reals.png": kept.media("reals")[64]}.items():
            assert np.array_equal(pixels_of(file)[..., 0], pixels_of(local)) and pixels_of(file).max() > 100
        for name in ("progress", "latent_walk"):
            assert kept.media(name)[2048].read_bytes() == (folder / f"{name}.gif").read_bytes()

    def test_the_same_command_again_finds_nothing_to_do(self, debug_run, monkeypatch, capsys):
        folder = debug_run[0]
        before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}
        monkeypatch.chdir(folder.parent.parent)
        assert gan(*DEBUG) == 0
        assert "complete: nothing left to do" in capsys.readouterr().out
        written = {p: p.stat().st_mtime_ns for p in before}
        assert [p for p in before if before[p] != written[p] and p.name != "metrics.jsonl"] == []

    def test_a_changed_setting_is_refused_by_name(self, debug_run, monkeypatch, capsys):
        monkeypatch.chdir(debug_run[0].parent.parent)
        assert gan(*DEBUG, "--batch_size", 32, "--penalty.gamma", 2) == 2
        said = capsys.readouterr().err
        assert said.strip().count("\n") == 0
        assert "batch_size was 64 and is 32, penalty.gamma was 0.1 and is 2.0" in said

    def test_samples_of_an_older_version_which_were_smaller_join_the_film(self, debug_run, tmp_path, monkeypatch):
        folder = tmp_path / "runs" / "debug"
        shutil.copytree(debug_run[0], folder, ignore=shutil.ignore_patterns("wandb", "progress.gif"))
        shutil.rmtree(list_checkpoints(folder / "checkpoints")[0])
        first = folder / "samples" / "000000512.png"
        with Image.open(first) as picture:
            picture.resize((122, 122), Image.Resampling.NEAREST).save(first)
        monkeypatch.chdir(tmp_path)
        assert gan(*DEBUG) == 0
        with Image.open(folder / "progress.gif") as film:
            assert film.n_frames == 4 and film.size == (346, 346)


SHORT = [*DEBUG, *QUIET, "--generator.width", 4, "--discriminator.width", 4, "--checkpoint_kimg", 0.064]


class TestResuming:
    """Checkpoints after every step, so that most kills come while one is being written."""

    @pytest.mark.parametrize(
        ("processes", "kills"),
        [pytest.param(1, 12, marks=pytest.mark.slow), pytest.param(2, 8, marks=pytest.mark.slow)],
    )
    def test_killed_again_and_again_it_ends_bit_equal(self, commands, processes, kills):
        arguments = [*SHORT, "--kimg", 2.5 * kills, "--threads", 1]
        assert commands.run("gan", *arguments, "--output", "whole", processes=processes).returncode == 0
        commands.kill_and_resume("gan", *arguments, kills=kills, processes=processes)
        assert_same_run(commands.folder / "killed", commands.folder / "whole")

    def test_a_damaged_checkpoint_is_reported_and_the_one_before_it_used(self, tmp_path, capsys):
        arguments = [*SHORT, "--kimg", 0.256, "--output", tmp_path]
        assert gan(*arguments) == 0
        newest, before = list_checkpoints(tmp_path / "checkpoints")
        want = tensors_of(load_checkpoint(newest))
        raw = bytearray((newest / "state.pt").read_bytes())
        raw[len(raw) // 2] ^= 1
        (newest / "state.pt").write_bytes(raw)
        capsys.readouterr()
        assert gan(*arguments) == 0
        said = capsys.readouterr().out
        assert f"{newest.name} is damaged" in said and f"from {before.name} images" in said
        got = tensors_of(load_checkpoint(newest))
        assert all(torch.equal(got[k], want[k]) for k in want)

    @pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
    def test_asked_to_stop_it_saves_and_says_how_to_go_on(self, commands, number):
        arguments = [*DEBUG, *QUIET, "--kimg", 100, "--checkpoint_kimg", 100, "--output", "run"]
        process = commands.start("gan", *arguments)
        while not (commands.folder / "run" / "metrics.jsonl").exists():
            time.sleep(0.1)
            assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 128 + number
        assert re.fullmatch(r"stopped and saved at [\d.]+ of 100 kimg: the same command goes on from there\s*", err)
        state = final_state(commands.folder / "run")
        assert state["images_seen"] >= 1024
        generator = commands.folder / "run" / "generator"  # there is something to sample
        saved = Generator.from_pretrained(generator).state_dict()
        assert all(torch.equal(saved[name], tensor) for name, tensor in state["average"].items())
        card = (generator / "README.md").read_text()
        assert f"Unfinished: {state['images_seen'] / 1000:g} of 100 kimg" in card
        assert pixels_of(generator / "samples.png").std() > 5

    def test_a_folder_in_use_is_refused(self, commands, capsys):
        arguments = [*SHORT, "--kimg", 1000, "--output", commands.folder / "run"]
        first = commands.start("gan", *arguments)
        try:
            wait_for((commands.folder / "run" / "metrics.jsonl").exists, first)
            assert gan(*arguments) == 2
            assert "run is in use by another process" in capsys.readouterr().err
            assert first.poll() is None
        finally:
            kill_family(first)


CONDITIONAL = (
    "--generator.conditioning normalization --discriminator.conditioning projection"
    " --discriminator_steps 2 --kimg 0.128 --loss hinge --penalty.kind wgan-gp --penalty.gamma 1 --penalty.every 1"
    " --augment.policy translation cutout --augment.target 0.5"
)
K_PLUS_ONE = (
    "--discriminator.network classifier --discriminator.width 32 --loss non-saturating --penalty.gamma 0"
    " --class_loss.feature_matching 1 --labels_per_class 10"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        (["--loss", "relativistic", "--penalty.gamma", 1, "--penalty.every", 1], 1e-5),
        (["--loss", "non-saturating", "--penalty.gamma", 0], 1e-5),
        # Adam makes a whole step of the rounding of a gradient that is next to nothing.
        (CONDITIONAL.split(), 1e-4),
        (K_PLUS_ONE.split(), 5e-5),
        # Rounding alone, such as another memory layout's, comes to 1.4e-5 here.
        (["--loss", "non-saturating", "--penalty.gamma", 0, "--discriminator.normalization", "batch"], 5e-5),
    ],
    ids=["R1+R2", "plain", "conditional, augmented", "K + 1 classes", "BatchNorm in both"],
)
def test_two_processes_do_what_one_does(commands, settings, tolerance):
    """A step on two processes with half of the batch each is the step on one with the whole batch.

    The generator has BatchNorm, as in all that ships.
    """
    # Adam's first step is the learning rate whatever the gradient, also where that is next to nothing: a usual rate.
    settings = [*settings, "--optimizer.learning_rate", 2e-4]
    arguments = [*DEBUG, *QUIET, "--kimg", 0.064, *settings, "--mixed_precision", "no", "--threads", 1]
    for processes, output in ((1, "one"), (2, "two")):
        done = commands.run("gan", *arguments, "--output", output, processes=processes)
        assert done.returncode == 0, done.stderr
    one, two = (tensors_of(final_state(commands.folder / output)) for output in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")
    got, want = figures_of(commands.folder / "two"), figures_of(commands.folder / "one")
    assert [pytest.approx(line, rel=1e-4, abs=1e-6) for line in want] == got


def test_micro_batches_change_nothing_but_memory(tmp_path):
    arguments = [*DEBUG, *QUIET, "--optimizer.learning_rate", 2e-4, "--mixed_precision", "no", "--kimg", 0.128]
    for parts in (1, 4):
        assert gan(*arguments, "--micro_batches", parts, "--output", tmp_path / f"in{parts}") == 0
    one, four = (tensors_of(final_state(tmp_path / f"in{parts}")) for parts in (1, 4))
    for name, tensor in one.items():
        torch.testing.assert_close(four[name], tensor, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_what_is_not_finite_stops_the_run(tmp_path, capsys):
    """A learning rate of 1e30 ends in NaN within a few steps."""
    arguments = [*DEBUG, *QUIET, "--optimizer.learning_rate", "1e30", "--generator.normalization", "none"]
    assert gan(*arguments, "--output", tmp_path) == 2
    said = capsys.readouterr().err
    assert re.search(
        r"^error: .*loss.* not finite at \d+ images: stopped; there is no checkpoint yet", said, re.MULTILINE
    )
    assert list_checkpoints(tmp_path / "checkpoints") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--generator.widht", 3], "--generator.widht"),
        (["--data.name", "mnits"], "mnits"),
        (["--data.image_size", 30], "image_size 30 is impossible"),
        (["--batch_size", -4], "batch_size must be above 0, got -4"),
        (["--kimg", 0], "kimg must be above 0"),
        (["--batch_size", 2.5], "batch_size"),
        (["--penalty.gamma", -1], "penalty.gamma must not be negative"),
        (["--discriminator.normalization", "batch"], "penalties need discriminator.normalization none"),
        (["--optimizer.beta2", 1.0], "beta"),
        (["--name", "a/b"], "name must be the name of a folder"),
        (["--micro_batches", 65], "micro_batches"),
        (
            ["--micro_batches", 2, "--discriminator.normalization", "batch", "--penalty.gamma", 0],
            "micro_batches need discriminator.normalization none",
        ),
        (["--output", "/proc/nowhere"], "cannot write /proc/nowhere"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_and_leaves_nothing(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert gan(*DEBUG, *QUIET, *arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert message in printed.err
    assert list(tmp_path.iterdir()) == []
