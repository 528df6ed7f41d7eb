"""A playground that is built once, of the networks that ship and of a generator that draws digits untrained."""

import pytest
import torch
from in_browser import browser, page_of
from torch import nn

from fooling.classifiers.load import trained_classifier
from fooling.data.load import load
from fooling.images import to_float
from gan.networks.generator import Generator
from gan.playground.playground import playground


class Overlays(Generator):
    """Ten test digits, each as light as one number of the latent says."""

    def __init__(self):
        super().__init__()
        self.config, self.latent_dim = {}, 10
        data = load("mnist", "test")
        digits = torch.stack([to_float(data.images)[data.targets == label][0] for label in range(10)])
        self.layers = nn.Sequential(nn.Linear(10, 784), nn.Unflatten(1, (1, 28, 28)), nn.Sigmoid())
        with torch.no_grad():
            self.layers[0].weight.copy_(12 * digits.flatten(1).T)
            self.layers[0].bias.fill_(-8)

    def forward(self, latents, labels=None):
        return self.layers(latents)


@pytest.fixture(scope="session")
def classifiers():
    return {name: trained_classifier(name) for name in ("lenet", "harden")}


@pytest.fixture(scope="session")
def overlays():
    return Overlays()


@pytest.fixture(scope="session")
def built(classifiers, overlays, tmp_path_factory):
    """The file of a page with two networks and a generator."""
    file = tmp_path_factory.mktemp("playground") / "playground.html"
    file.write_text(playground(classifiers, overlays), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def opened():
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(opened, built):
    """One page for all tests of a file that do not mind what the one before has drawn."""
    with page_of(opened, built, viewport={"width": 1280, "height": 900}) as page:
        settled(page)
        yield page


def settled(page):
    """Wait until the climb that a page begins with has come to its end."""
    page.locator("#fool[data-state=done]").wait_for()
    page.wait_for_timeout(50)
