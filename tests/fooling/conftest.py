"""Two classifiers trained for a few seconds, and the digits to show them."""

import pytest

from fooling.classifiers import Classifier
from fooling.data import load, to_float
from fooling.tracking import WandbConfig
from fooling.train import TrainConfig, train


@pytest.fixture(scope="session")
def digits():
    """1,000 test digits, float32 in [0, 1], and their labels."""
    data = load("mnist", "test")
    return to_float(data.images[:1000]), data.labels[:1000]


def _trained(folder, model, **settings):
    train(TrainConfig(model=model, output=str(folder), wandb=WandbConfig(mode="disabled"), **settings))
    return Classifier.from_pretrained(folder / "classifier")


@pytest.fixture(scope="session")
def lenet(tmp_path_factory):
    return _trained(tmp_path_factory.mktemp("lenet"), "lenet", kimg=36)


@pytest.fixture(scope="session")
def softmax(tmp_path_factory):
    return _trained(tmp_path_factory.mktemp("softmax"), "softmax", kimg=60, learning_rate=0.01)
