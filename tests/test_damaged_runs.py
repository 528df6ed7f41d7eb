"""Folders of runs in which something is broken, foreign or gone: refused in one line, or gone on with to the end."""

import shutil

import numpy as np
import pytest
from PIL import Image
from refusals import listing, refused

from gan.__main__ import main

COMMAND = [
    "train", "--output", "run", "--kimg", "0.064", "--batch_size", "8", "--checkpoint_kimg", "0.032", "--log_kimg",
    "0.008", "--samples.kimg", "0.032", "--samples.count", "4", "--metrics.kimg", "0", "--generator.width", "2",
    "--discriminator.width", "2", "--generator.latent_dim", "4", "--wandb.mode", "disabled", "--threads", "1",
    "--data.name", "folder", "--data.image_size", "8", "--data.channels", "1", "--mixed_precision", "no",
]  # fmt: skip


@pytest.fixture(scope="module")
def half_a_run(tmp_path_factory):
    """Images, their cache, and a run that has its first checkpoint and was stopped."""
    place = tmp_path_factory.mktemp("damaged")
    (place / "own").mkdir()
    for number in range(12):
        Image.fromarray(np.full((8, 8), 20 * number, np.uint8)).save(place / "own" / f"{number}.png")
    COMMAND.extend(["--data.folder", str(place / "own"), "--data.root", str(place / "cache")])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(COMMAND) == 0
    last = place / "run" / "checkpoints" / "000000064"
    shutil.rmtree(last)
    for product in ("generator", "discriminator"):
        shutil.rmtree(place / "run" / product)
    return place


@pytest.fixture
def place(half_a_run, tmp_path, monkeypatch):
    shutil.copytree(half_a_run / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


REFUSED = {
    "empty": ("config.yaml", b""),
    "broken": ("config.yaml", b"name: ["),
    "binary": ("config.yaml", bytes(range(256))),
    "list": ("config.yaml", b"- a\n"),
    "word": ("config.yaml", b"word\n"),
    "null": ("config.yaml", b"null\n"),
    "tag": ("config.yaml", b"!!python/object/apply:os.system [touch executed]\n"),
    "groups are words": ("config.yaml", b"data: word\nwandb: 3\ngenerator: [1]\n"),
    "other settings": ("config.yaml", b"kimg: 3\n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_run_that_does_not_say_what_it_is_is_left_alone(name, place, capsys):
    file, content = REFUSED[name]
    (place / "run" / file).write_bytes(content)
    refused(["gan", *COMMAND], place, capsys, "run")


def put(name, content):
    def damage(run):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)

    return damage


def turn_into_a_folder(name):
    def damage(run):
        (run / name).unlink()
        (run / name).mkdir()

    return damage


MENDED = {
    "log of another kind": put("metrics.jsonl", b"{}\n[]\n3\nnull\n"),
    "log without numbers": put("metrics.jsonl", b'{"images_seen": "many"}\n'),
    "binary log": put("metrics.jsonl", bytes(range(256))),
    "log cut short": put("metrics.jsonl", b'{"images_seen": 8, "seconds": 1}\n{"images_s'),
    "no log": lambda run: (run / "metrics.jsonl").unlink(),
    "foreign picture": put("samples/000000033.png", b"word"),
    "picture cut short": put("samples/000000033.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "picture of another size": lambda run: Image.new("RGB", (3, 5)).save(run / "samples" / "000000033.png"),
    "every picture foreign": lambda run: [p.write_bytes(b"") for p in (run / "samples").iterdir()],
    "odd names": put("samples/a\udcff.png".encode(errors="surrogateescape").decode(errors="replace"), b""),
    "no samples": lambda run: shutil.rmtree(run / "samples"),
    "nothing resolved": lambda run: (run / "resolved.json").unlink(),
    "resolved of another kind": put("resolved.json", b"[]"),
    "resolved binary": put("resolved.json", bytes(range(256))),
    "resolved of other types": put("resolved.json", b'{"threads": "many", "mixed_precision": 3, "processes": []}'),
    "checkpoint cut short": put("checkpoints/000000032/state.pt", b"PK\3\4"),
    "checkpoint without manifest": lambda run: (run / "checkpoints" / "000000032" / "manifest.json").unlink(),
    "manifest of another kind": put("checkpoints/000000032/manifest.json", b"[]"),
    "manifest binary": put("checkpoints/000000032/manifest.json", bytes(range(256))),
    "empty checkpoint": lambda run: (run / "checkpoints" / "000000063").mkdir(),
    "a file for a checkpoint": put("checkpoints/000000063", b""),
    "partial checkpoint": put("checkpoints/.000000063.partial/state.pt", b""),
    "partial files": put("samples/.partial-000000033.png", b""),
}


@pytest.mark.parametrize("name", [*list(MENDED)[:8:3], *(pytest.param(n, marks=pytest.mark.slow) for n in MENDED)])
def test_a_run_goes_on_to_its_end_past_what_it_can_do_without(name, place, capsys):
    MENDED[name](place / "run")
    assert main(COMMAND) == 0, capsys.readouterr().err
    assert {"generator/model.safetensors", "progress.gif", "latent_walk.gif"} <= set(listing(place / "run"))
    capsys.readouterr()
    assert main(COMMAND) == 0 and "is complete" in capsys.readouterr().out


ASKED = {
    "no settings": (put("config.yaml", b""), "run"),
    "broken settings": (put("config.yaml", b"a: ["), "run"),
    "settings of another kind": (put("config.yaml", b"generator: 3\nkimg: many\ndata: word\n"), "run"),
    "no generator": (lambda run: None, "run"),
    "generator cut short": (put("generator/config.json", b"{"), "generator"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED)
def test_a_run_that_is_asked_for_a_generator_it_has_not_is_named(name, place, capsys):
    damage, says = ASKED[name]
    damage(place / "run")
    for verb in ("sample", "walk", "sheet", "neighbours", "invert", "evaluate"):
        refused(["gan", verb, "run"], place, capsys, says)
    for verb in ("fooling trick --through", "fooling trick --model", "fooling audit", "gan train --init_from"):
        refused([*verb.split(), "run"], place, capsys, says)
