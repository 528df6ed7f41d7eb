"""Classifiers take images in [0, 1], whatever is inside, and are left as they were found."""

import copy
import sys
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from fooling.classifiers.frozen import frozen
from fooling.classifiers.load import Adapted, load_classifier
from fooling.classifiers.networks import Classifier, LeNet, SoftmaxRegression
from fooling.errors import MissingFile, UserError

NAMES = pytest.mark.parametrize("cls", [SoftmaxRegression, LeNet])


@NAMES
@pytest.mark.parametrize(
    "image_size, channels, num_classes, reject", [(28, 1, 10, False), (32, 3, 7, True), (17, 1, 2, True)]
)
def test_logits_and_features_have_the_promised_shapes(cls, image_size, channels, num_classes, reject):
    classifier = cls(image_size=image_size, channels=channels, num_classes=num_classes, reject_class=reject)
    images = torch.rand(3, *classifier.input_shape)
    assert classifier.input_shape == (channels, image_size, image_size)
    assert classifier(images).shape == (3, num_classes + reject)
    features = classifier.features(images)
    assert features.shape[0] == 3 and features.dim() == 2
    torch.testing.assert_close(classifier.logits(features), classifier(images))


@NAMES
def test_saved_and_loaded_is_the_same_function(cls, tmp_path):
    classifier = cls(num_classes=3, reject_class=True)
    nn.init.normal_(classifier.logits.weight)
    classifier.save_pretrained(tmp_path)
    loaded = load_classifier(tmp_path)
    images = torch.rand(2, 1, 28, 28)
    assert type(loaded) is cls and loaded.reject_class and not loaded.training
    assert torch.equal(loaded(images), classifier.eval()(images))


def test_an_untrained_regression_is_undecided():
    assert torch.equal(SoftmaxRegression()(torch.rand(2, 1, 28, 28)), torch.zeros(2, 10))


def test_too_small_an_image_is_refused():
    with pytest.raises(UserError, match="at least 16 pixels"):
        LeNet(image_size=15)


def flat(shape, classes=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(torch.Size(shape).numel(), classes))


def test_an_adapted_module_sees_its_own_range():
    module = flat((3, 5, 4)).double()
    images = torch.rand(6, 3, 5, 4, dtype=torch.float64)
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
    adapted = Adapted(module, input_shape=(3, 5, 4), value_range=(0, 255), mean=mean, std=std)
    expected = module((images * 255 - images.new_tensor(mean)[:, None, None]) / images.new_tensor(std)[:, None, None])
    torch.testing.assert_close(adapted(images), expected)
    assert adapted.num_classes == 4


BAD_ADAPTERS = {
    "shape of two": (dict(input_shape=(5, 4)), r"\(channels, height, width\)"),
    "empty range": (dict(value_range=(1, 1)), "low < high"),
    "half a range": (dict(value_range=(1,)), "low < high"),
    "mean of two": (dict(mean=(0, 0)), "1 or 3 numbers"),
    "std of zero": (dict(std=(0.0,)), "positive"),
    "wrong size": (dict(input_shape=(3, 6, 4)), "does not take images"),
}


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_a_module_computes_in_its_own_precision(precision):
    images = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 5))
    expected = Adapted(module, input_shape=(1, 4, 4))(images)
    logits = Adapted(module.to(precision), input_shape=(1, 4, 4))(images)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("change, message", BAD_ADAPTERS.values(), ids=BAD_ADAPTERS)
def test_an_adapter_that_does_not_fit_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        Adapted(flat((3, 5, 4)), **{"input_shape": (3, 5, 4), **change})


def test_a_module_without_logits_is_refused():
    with pytest.raises(UserError, match=r"logits of shape \(n, classes\)"):
        Adapted(nn.Identity(), input_shape=(1, 4, 4))


FACTORY = """
import torch
def make():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3), torch.nn.Dropout())
def sibling():
    import their_sibling
    return their_sibling.make()
number = 7
def seven():
    return 7
def needs(width):
    return make()
"""


@pytest.fixture
def factory(tmp_path, monkeypatch):
    (tmp_path / "their_models.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)


def test_a_factory_is_found_in_the_current_directory(factory):
    classifier = load_classifier("their_models:make", input_shape=(1, 4, 4), value_range=(-1, 1))
    images = torch.rand(2, 1, 4, 4)
    assert not any(module.training for module in classifier.modules())
    torch.testing.assert_close(classifier(images), classifier.module(2 * images - 1))


@pytest.mark.parametrize("function", ["make", "absent", "needs", "sibling"])
def test_the_search_path_is_put_back_also_after_a_mistake(factory, function, tmp_path, monkeypatch):
    (tmp_path / "their_sibling.py").write_text("from their_models import make\n")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = list(sys.path)
    with pytest.raises(UserError) if function in ("absent", "needs") else nullcontext():
        load_classifier(f"their_models:{function}", input_shape=(1, 4, 4))
    assert sys.path == before


BAD_SOURCES = {
    "no shape": ("their_models:make", {}, UserError, "input_shape"),
    "no module": ("no_such_module:make", {"input_shape": (1, 4, 4)}, MissingFile, "no_such_module"),
    "no function": ("their_models:absent", {"input_shape": (1, 4, 4)}, UserError, "absent"),
    "not a module": ("their_models:seven", {"input_shape": (1, 4, 4)}, UserError, "it gave int"),
    "needs arguments": ("their_models:needs", {"input_shape": (1, 4, 4)}, UserError, "missing 1 required positional"),
    "not a factory": ("their_models:number", {"input_shape": (1, 4, 4)}, UserError, "it gave int"),
    "no folder": ("runs/absent", {}, MissingFile, "runs/absent"),
}


@pytest.mark.parametrize("source, arguments, error, message", BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_a_source_that_is_no_classifier_is_refused_in_one_line(factory, source, arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        load_classifier(source, **arguments)
    assert "\n" not in str(caught.value)


@pytest.fixture
def mixed():
    """A network in a mixture of modes, frozen in parts, with gradients left by its owner."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(8, 3))
    network.train()
    network[1].eval()
    network[0].bias.requires_grad = False
    network[4].weight.grad = torch.ones_like(network[4].weight)
    return network


def fingerprint(network):
    return (
        [module.training for module in network.modules()],
        [
            (p.requires_grad, p.data_ptr(), p.stride(), None if p.grad is None else p.grad.sum().item())
            for p in network.parameters()
        ],
        copy.deepcopy(network.state_dict()),
    )


def same(a, b):
    return a[:2] == b[:2] and all(torch.equal(a[2][k], b[2][k]) for k in a[2])


@pytest.mark.parametrize("failing", [False, True])
def test_frozen_restores_every_module_and_parameter(mixed, failing):
    before = fingerprint(mixed)
    try:
        with frozen(mixed):
            assert not any(module.training for module in mixed.modules())
            assert not any(p.requires_grad for p in mixed.parameters())
            mixed(torch.rand(4, 1, 4, 4))
            if failing:
                raise RuntimeError
    except RuntimeError:
        assert failing
    assert same(before, fingerprint(mixed))


def test_loading_a_classifier_refuses_another_kind_of_network(tmp_path):
    LeNet().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="not a SoftmaxRegression"):
        SoftmaxRegression.from_pretrained(tmp_path)
    assert isinstance(Classifier.from_pretrained(tmp_path), LeNet)
