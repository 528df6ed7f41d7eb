"""A generator whose latents are known, what reads its images, and the command line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fooling.classifiers.networks import SoftmaxRegression
from gan.__main__ import main
from gan.networks.generator import Generator
from gan.verbs.rows import draw_rows


class TopLit(Generator):
    """Images of 8 x 8 pixels: the first number of a latent says how light the upper half is, the others what is in the
    lower one. With classes, the class says the former."""

    def __init__(self, *, classes: int = 0):
        super().__init__()
        self.config = {"classes": classes}
        self.latent_dim, self.num_classes = 8, classes
        self.pattern = nn.Parameter(torch.randn(32, 7, generator=torch.Generator().manual_seed(0)))

    def forward(self, latents, labels=None):
        top = 3 * latents[:, 0] if labels is None else labels - (self.num_classes - 1) / 2
        return torch.cat([top[:, None].expand(-1, 32), latents[:, 1:] @ self.pattern.T], 1).sigmoid().view(-1, 1, 8, 8)


@pytest.fixture
def toy(tmp_path):
    TopLit().save_pretrained(tmp_path / "toy")
    return TopLit()


@pytest.fixture
def toy_of_classes(tmp_path):
    TopLit(classes=3).save_pretrained(tmp_path / "classes")
    return TopLit(classes=3)


@pytest.fixture
def reader(tmp_path):
    """Says "light" of an upper half that is lighter than grey, else "dark"; the folder of it."""
    network = SoftmaxRegression(image_size=8, num_classes=2, class_names=("dark", "light"))
    weight = torch.zeros(2, 64)
    weight[:, :32] = torch.tensor([[-1.0], [1.0]])
    network.load_state_dict({"logits.weight": weight, "logits.bias": torch.tensor([16.0, -16.0])})
    return network.save_pretrained(tmp_path / "reader")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Types `gan ...` where the toys are: its exit code, what it said, what it complained of."""
    monkeypatch.chdir(tmp_path)

    def call(command):
        code = main(command.split())
        said = capsys.readouterr()
        return code, said.out.replace("\u00a0", " ").replace("\u2009", ""), said.err

    return call


@pytest.fixture
def results(tmp_path):
    """The summary and the numbers in a folder of results."""

    def read(name):
        folder = tmp_path / "runs" / name
        return json.loads((folder / "summary.json").read_text()), np.load(folder / "numbers.npz")

    return read


@pytest.fixture
def frames_of():
    """All frames of a film, uint8 (n, h, w, 3)."""

    def read(path):
        if path.suffix == ".mp4":
            av = pytest.importorskip("av")
            with av.open(path) as film:
                return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
        with Image.open(path) as film:
            frames = []
            for number in range(film.n_frames):
                film.seek(number)
                frames.append(np.asarray(film.convert("RGB")))
            return np.stack(frames)

    return read


@pytest.fixture
def drawn(monkeypatch):
    """What `draw_rows` was given last by each verb: its rows and their labels."""
    given = {}
    for verb in ("arithmetic", "neighbours", "sheet"):

        def record(rows, labels, *, title, verb=verb):
            given[verb] = (rows, labels)
            return draw_rows(rows, labels, title=title)

        monkeypatch.setattr(f"gan.verbs.{verb}.draw_rows", record)
    return given
