"""A climb through a generator moves latents on their sphere, each towards its own class, of whichever generator is
named."""

import math

import pytest
import torch
from torch import nn

from fooling.classifiers.load import trained_classifier
from fooling.climb.ascent import ascend
from fooling.climb.objectives import Logit
from fooling.climb.parametrizations import Latent
from fooling.climb.through import Shell, labels_for, load_generator
from fooling.data.load import load
from fooling.errors import MissingFile, UserError
from fooling.images import to_float
from fooling.pretrained import Pretrained


class Blends(Pretrained):
    """Latents (n, 10) to blends of ten digits, one of each class; with classes, to ones that are half the label's."""

    def __init__(self, *, classes: int = 0):
        super().__init__()
        self.config, self.latent_dim, self.num_classes = {"classes": classes}, 10, classes
        data = load("mnist", "test")
        first = [int((data.labels == label).nonzero()[0]) for label in range(10)]
        self.digits = nn.Parameter(to_float(data.images[first]))

    def forward(self, latents, labels=None):
        shares = (2 * latents).softmax(1)
        if labels is not None:
            shares = (shares + nn.functional.one_hot(labels, 10)) / 2
        return torch.einsum("nk,kchw->nchw", shares, self.digits).clamp(0, 1)


@pytest.fixture(scope="module")
def lenet():
    return trained_classifier()


def test_latents_end_as_long_as_normal_ones_are_and_draw_the_target(lenet):
    generator, targets = Blends(), torch.arange(20) % 10
    starts = Shell.noise(generator, 20, seed=1)
    torch.testing.assert_close(starts.params.norm(dim=1), torch.full((20,), math.sqrt(10)))
    end = ascend(lenet, Logit(targets), starts, until=0.999, steps=30)
    torch.testing.assert_close(end.params.norm(dim=1), torch.full((20,), math.sqrt(10)))
    assert end.success.sum() >= 10 and len(end.steps.unique()) > 2
    assert torch.equal(end.params.argmax(1)[end.success], targets[end.success])  # of all digits, most of the target


def test_a_step_turns_a_latent_by_twenty_degrees_at_most(lenet):
    starts = Shell.noise(Blends(), 8, seed=2)
    end = ascend(lenet, Logit(3), starts, steps=1)
    turned = ((starts.params * end.params).sum(1) / 10).acos().rad2deg()
    assert (turned < 22).all() and turned.max() > 15


def test_each_latent_stays_as_near_to_its_own_start_as_it_shall(lenet):
    starts = Shell(Blends(), torch.randn(12, 10, generator=torch.Generator().manual_seed(4)), within=35.0)
    far = ascend(lenet, Logit(3), Shell(Blends(), starts.params), steps=12, until=0.99)
    near = ascend(lenet, Logit(3), starts, steps=12, until=0.99, chunk=5)
    turned = [((starts.params * end.params).sum(1) / 10).acos().rad2deg() for end in (far, near)]
    assert len(near.steps.unique()) > 1 and turned[0].max() > 40 and 30 < turned[1].max() < 35.1
    torch.testing.assert_close(near.params.norm(dim=1), torch.full((12,), math.sqrt(10)))


def test_every_image_keeps_its_own_label_while_others_leave(lenet):
    generator, targets = Blends(classes=10), torch.arange(20) % 10
    for labels in (targets, (targets + 1) % 10, 4):
        starts = Shell.noise(generator, 20, labels=labels, seed=3)
        end = ascend(lenet, Logit(targets), starts, until=0.9, steps=10, chunk=7)
        assert len(end.steps.unique()) > 1
        with torch.no_grad():
            drawn = generator(end.params, torch.as_tensor(labels).expand(20))
        torch.testing.assert_close(drawn, end.images)


def test_labels_are_for_all_or_for_each():
    with pytest.raises(UserError, match="5 latents need as many labels, or one for all, got 3"):
        Latent.noise(Blends(classes=10), 5, labels=[1, 2, 3])
    assert labels_for(Blends(), 12) is None and labels_for(Blends(classes=10), 9) == 9
    with pytest.raises(UserError, match="the generator draws 10 classes, 0 to 9: none is class 10"):
        labels_for(Blends(classes=10), 10)


THEIRS = """
import torch

class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.latent_dim, self.dropout = 4, torch.nn.Dropout()

    def forward(self, latents):
        return self.dropout(latents).sigmoid()[:, :1, None, None].expand(-1, 1, 28, 28)

flat = torch.nn.Linear(3, 4)
"""


def test_a_generator_is_found_in_a_run_in_a_folder_and_by_import(tmp_path, monkeypatch):
    (tmp_path / "someones.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    Blends().save_pretrained(tmp_path / "runs" / "blends" / "generator")
    latents = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    for source in ("runs/blends", "runs/blends/generator", tmp_path / "runs" / "blends"):
        generator = load_generator(source)
        assert not generator.training and torch.equal(generator(latents), Blends()(latents))
    theirs = load_generator("someones:Theirs")
    assert theirs.latent_dim == 4 and not theirs.training and theirs(latents[:, :4]).shape == (3, 1, 28, 28)


def test_what_is_no_generator_is_refused_in_one_line(tmp_path, monkeypatch, lenet):
    (tmp_path / "someones.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    lenet.save_pretrained(tmp_path / "lenet")
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / "config.yaml").write_text("kimg: 3\n")
    for source, message in {
        "lenet/": "lenet/ holds a LeNet, which is no generator: it says no latent_dim",
        "someones:flat": "someones:flat holds a Linear, which is no generator",
        "young": "the run young has no generator",
        "nowhere/at/all": "no saved network in nowhere/at/all",
        "nowhere:Net": "cannot import nowhere:Net",
    }.items():
        with pytest.raises(UserError, match=message) as caught:
            load_generator(source)
        assert "\n" not in str(caught.value)
    with pytest.raises(MissingFile):
        load_generator("young")
