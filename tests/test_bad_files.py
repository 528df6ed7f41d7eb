"""Files and paths that are not what they should be, given to every verb that takes one."""

import gzip
import io
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused
from safetensors.torch import load_file, save_file

from fooling.classifiers.networks import SoftmaxRegression
from gan.networks.dcgan import DCGANGenerator

PATHS = {
    "a\0b": "no path|no name|is there|exist",
    "x" * 300: "255 bytes",
    "é" * 200: "255 bytes",
    "~nobody-of-this-name/x": "no such home folder",
    "loop/x": "symbolic links",
    "/".join(["x" * 200] * 30): "too long",
}
TAKING = [
    "fooling train --data.name folder --data.folder",
    "fooling train --config",
    "fooling train --data",
    "fooling train --output",
    "fooling harden --negatives.climbed 8 --output",
    "fooling trick --model",
    "fooling trick --output",
    "fooling trick --through",
    "fooling morph --image",
    "fooling morph --output",
    "fooling explain --image",
    "fooling explain --output",
    "fooling evolve --output",
    "fooling audit",
    "fooling audit lenet --output",
    "gan train --output",
    "gan train --config",
    "gan train --init_from",
    "gan sample",
    "gan sample saved --out",
    "gan walk",
    "gan walk saved --out",
    "gan sheet",
    "gan sheet saved --out",
    "gan arithmetic saved --from 1 --to 2 --output",
    "gan neighbours saved --output",
    "gan invert saved --image",
    "gan invert saved --output",
    "gan playground --models",
    "gan playground --generator",
    "gan playground --output",
    "gan evaluate",
    "gan evaluate saved --output",
    "gan ladder --output",
    "gan ladder --config",
]
ENDINGS = {"gan walk saved --out": ".gif", "gan playground --output": ".html"}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    DCGANGenerator(width=2, latent_dim=4).save_pretrained(tmp_path / "saved")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("taking", TAKING)
def test_a_path_that_cannot_be_is_one_line(taking, place, capsys):
    for path, says in PATHS.items():
        ending = ENDINGS.get(taking, ".png" if taking.endswith("--out") else "")
        refused([*taking.split(), path + ending], place, capsys, says)


@pytest.mark.slow
@pytest.mark.parametrize("taking", [t for t in TAKING if t.endswith(("--output", "--out"))])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(taking, place, capsys):
    ending = ENDINGS.get(taking, ".png" if taking.endswith("--out") else "")
    for where in ("/proc/x", "file/x", "/proc/x/y/z", "/dev/null/x"):
        refused([*taking.split(), where + ending, *_offline(taking)], place, capsys, f"cannot write {where}")


def _offline(taking):
    return ["--wandb.mode", "disabled"] if " --output" in taking and "playground" not in taking else []


FILES = {
    "latin-1": "name: müll\n".encode("latin-1"),
    "utf-16": "name: a\n".encode("utf-16"),
    "utf-32": "name: a\n".encode("utf-32"),
    "binary": bytes(range(256)),
    "gzip": gzip.compress(b"name: a\n"),
    "png": b"\x89PNG\r\n\x1a\n\0\0",
    "nul": b"name: a\0b\n",
    "bell": b"name: \x07\n",
    "two documents": b"name: a\n---\nname: b\n",
    "deep": b"[" * 500,
    "deep too": b"{a: " * 500,
    "tag": b"name: !!python/name:os.system\n",
    "call": b"!!python/object/apply:os.system [touch executed]\n",
    "tab": b"\tname: a\n",
    "odd key": b"? [a]\n: b\n",
    "number": b"3: 4\n",
    "no key": b"~: 3\n",
    "alias": b"name: *a\n",
    "cut": b'name: "a\n',
    "word": b"name\n",
    "list": b"- name\n",
    "pickle": pickle.dumps({"name": "a"}),
    "json": b'{"name": }',
}


TOLD = ("fooling audit", "gan train", "gan ladder", "gan evaluate", "gan walk")


@pytest.mark.parametrize("verb", ["fooling train", *(pytest.param(v, marks=pytest.mark.slow) for v in TOLD)])
def test_a_file_that_says_no_settings_is_named(verb, place, capsys):
    for content in FILES.values():
        (place / "odd.yaml").write_bytes(content)
        refused([*verb.split(), "--config", "odd.yaml"], place, capsys, "odd.yaml")


def test_files_in_utf_8_with_a_mark_and_empty_ones_are_read(place, capsys):
    from gan.__main__ import main

    for content in (b"\xef\xbb\xbfname: a\n", b"", b"# nothing\n", b"mixed_precision: no\n"):
        (place / "fine.yaml").write_bytes(content)
        assert main(["train", "--config", "fine.yaml", "--print_config=skip_default"]) == 0


# ---- images


def image(mode="L", size=(8, 8), kind="PNG", **how):
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **how)
    return stream.getvalue()


BROKEN = {
    "empty.png": b"",
    "cut.png": image()[:40],
    "half.jpg": image("RGB", (64, 64), "JPEG")[:300],
    "word.png": b"word",
    "post.tif": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(executed) (w) file\n",
    "float.tif": image("F", kind="TIFF"),
    "bomb.png": image("1", (20000, 20000)),
    "pickle.png": pickle.dumps([1]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_image_that_cannot_be_read_is_named(name, place, capsys):
    (place / "own").mkdir()
    (place / "own" / name).write_bytes(BROKEN[name])
    refused(["fooling", "morph", "--image", f"own/{name}"], place, capsys, name)
    refused(["fooling", "explain", "--image", f"own/{name}"], place, capsys, name)
    refused(["gan", "invert", "saved", "--image", f"own/{name}"], place, capsys, name)
    of_folder = ["--data.name", "folder", "--data.folder", "own", "--data.root", "/proc/cache"]
    if name != "bomb.png":  # PIL reads it, with a warning
        refused(["gan", "train", *of_folder], place, capsys, name)


@pytest.mark.slow
@pytest.mark.parametrize("content", [image("LAB", kind="TIFF"), image("I;16"), image("P"), image("CMYK", kind="JPEG")])
def test_odd_images_are_read_or_refused_in_one_line(content, place, capsys):
    from fooling.__main__ import main

    (place / "odd.tif").write_bytes(content)
    code = main(["morph", "--image", "odd.tif", "--steps", "1", "--wandb.mode", "disabled"])
    err = capsys.readouterr().err
    assert (code == 0 and err == "") or (code == 2 and err.count("\n") == 1 and "odd.tif" in err)


# ---- IDX, as torchvision keeps it


def idx(array, kind=8):
    array = np.asarray(array, np.uint8)
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


SETS = {
    "magic": (b"\1\2\3\4" + bytes(90), idx([1]), "damaged"),
    "type": (idx(np.zeros((1, 28, 28)), kind=13), idx([1]), "damaged"),
    "empty file": (b"", idx([1]), "damaged"),
    "cut": (idx(np.zeros((2, 28, 28)))[:-5], idx([1, 2]), "damaged"),
    "too long": (idx(np.zeros((2, 28, 28))) + b"x", idx([1, 2]), "damaged"),
    "negative": (bytes([0, 0, 8, 3]) + struct.pack(">3i", -1, 28, 28), idx([1]), "damaged"),
    "huge": (bytes([0, 0, 8, 3]) + struct.pack(">3i", 2**31 - 1, 2**31 - 1, 28), idx([1]), "damaged"),
    "labels out of range": (idx(np.zeros((2, 28, 28))), idx([1, 10]), "labels"),
    "other count": (idx(np.zeros((2, 28, 28))), idx([1]), "belong together"),
    "not square": (idx(np.zeros((2, 28, 20))), idx([1, 2]), "not square"),
    "no images": (idx(np.zeros((0, 28, 28))), idx([]), "damaged"),
    "other dimensions": (idx(np.zeros((2, 28))), idx([1, 2]), "belong together"),
}


@pytest.mark.parametrize("name", SETS)
def test_a_damaged_data_set_is_named(name, place, capsys):
    images, labels, says = SETS[name]
    raw = place / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for stem in ("train", "t10k"):
        (raw / f"{stem}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(labels)
    of_it = ["--data.name", "fashion-mnist", "--data.root", "data"]
    for verb in ("fooling train", "gan train", "fooling trick", "fooling audit lenet"):
        refused([*verb.split(), *of_it], place, capsys, says)


# ---- saved networks


class Payload:
    def __reduce__(self):
        return open, ("executed", "w")


def change(folder: Path, how):
    weights = load_file(folder / "model.safetensors")
    how(weights)
    save_file(weights, folder / "model.safetensors")


def say(folder: Path, **settings):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **settings}), encoding="utf-8")


NETWORKS = {
    "missing weight": lambda f: change(f, lambda w: w.pop("logits.bias")),
    "extra weight": lambda f: change(f, lambda w: w.update(extra=torch.zeros(1))),
    "shape": lambda f: change(f, lambda w: w.update({"logits.bias": torch.zeros(11)})),
    "NaN": lambda f: change(f, lambda w: w["logits.bias"].fill_(float("nan"))),
    "infinite": lambda f: change(f, lambda w: w["logits.bias"].fill_(float("inf"))),
    "pickle": lambda f: (f / "model.safetensors").write_bytes(pickle.dumps(Payload())),
    "torch": lambda f: torch.save({"a": torch.zeros(1)}, f / "model.safetensors"),
    "empty": lambda f: (f / "model.safetensors").write_bytes(b""),
    "cut": lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "no config": lambda f: (f / "config.json").unlink(),
    "empty config": lambda f: (f / "config.json").write_bytes(b""),
    "binary config": lambda f: (f / "config.json").write_bytes(bytes(range(256))),
    "list": lambda f: (f / "config.json").write_text("[]"),
    "deep": lambda f: (f / "config.json").write_text("[" * 5000),
    "class": lambda f: say(f, **{"class": "os.system"}),
    "module": lambda f: say(f, **{"class": "os:system"}),
    "no class": lambda f: say(f, **{"class": None}),
    "unknown key": lambda f: say(f, depth=3),
    "text": lambda f: say(f, image_size="28"),
    "negative": lambda f: say(f, image_size=-28),
    "huge": lambda f: say(f, image_size=10**9),
    "names": lambda f: say(f, class_names=3),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_damaged_network_is_refused_and_never_executed(name, place, capsys):
    NETWORKS[name](SoftmaxRegression().save_pretrained(place / "network"))
    for command in ("fooling trick --model", "fooling audit"):
        refused([*command.split(), "network"], place, capsys, "network")
    assert not (place / "executed").exists()


HUB = ["hub:", "hub:a", "hub:a/b/c", "hub:../x", "hub:a/..", "hub:a b/c", "hub:é/x", "hub:a/\0", "hub:https://x/y"]


@pytest.mark.slow
@pytest.mark.parametrize("name", HUB)
def test_odd_names_on_the_hub_are_one_line(name, place, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for command in ("fooling trick --model", "gan sample", "gan evaluate"):
        refused([*command.split(), name], place, capsys, ".")
