"""Faster means the same numbers, and everything put back."""

import copy

import pytest
import torch
from torch import nn

from fooling.classifiers.cpu_speed import sped_up
from fooling.classifiers.frozen import frozen

SHAPES = {
    "lenet": (dict(kernel_size=5), 28, 28),
    "padded": (dict(kernel_size=3, padding=1), 28, 28),
    "not a multiple of 4": (dict(kernel_size=5, padding=2), 13, 18),
    "uneven": (dict(kernel_size=(5, 3), padding=(1, 2)), 9, 15),
    "one pixel": (dict(kernel_size=1, bias=False), 7, 8),
    "strided": (dict(kernel_size=3, stride=2), 12, 12),
    "dilated": (dict(kernel_size=3, dilation=2), 12, 12),
    "reflected": (dict(kernel_size=3, padding=1, padding_mode="reflect"), 12, 12),
    "same": (dict(kernel_size=3, padding="same"), 12, 12),
    "wide": (dict(kernel_size=3, padding=4), 12, 12),
    "colour": (dict(kernel_size=3, in_channels=3), 12, 12),
}


def score_and_gradient(network, images):
    images = images.clone().requires_grad_()
    score = network(images)
    (gradient,) = torch.autograd.grad(score.square().sum(), images)
    return score.detach(), gradient


@pytest.mark.parametrize("settings, height, width", SHAPES.values(), ids=SHAPES)
def test_outputs_and_input_gradients_are_the_same(settings, height, width):
    torch.manual_seed(0)
    channels = settings.get("in_channels", 1)
    network = nn.Sequential(
        nn.Conv2d(**{"in_channels": 1, "out_channels": 6, **settings}), nn.Tanh(), nn.Conv2d(6, 4, 1)
    )
    network = network.double()
    images = torch.rand(3, channels, height, width, dtype=torch.float64)
    with frozen(network):
        expected = score_and_gradient(network, images)
        with sped_up(network):
            got = score_and_gradient(network, images)
            with torch.no_grad():
                torch.testing.assert_close(network(images), expected[0])
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_the_filters_of_a_lenet_take_the_fast_way(lenet):
    images = torch.rand(2, 1, 28, 28, requires_grad=True)
    with frozen(lenet), sped_up(lenet):
        assert "GreyConvolution" in type(lenet.conv1(images).grad_fn).__name__
        assert "GreyConvolution" not in type(lenet.conv2(lenet.pool1(lenet.conv1(images))).grad_fn).__name__
        assert lenet.conv1(images).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("failing", [False, True])
def test_every_layer_is_put_back(lenet, failing):
    network = copy.deepcopy(lenet)
    before = [(p.data_ptr(), p.stride()) for p in network.parameters()]
    try:
        with sped_up(network):
            if failing:
                raise RuntimeError
    except RuntimeError:
        assert failing
    assert [(p.data_ptr(), p.stride()) for p in network.parameters()] == before
    assert not any("forward" in vars(module) for module in network.modules())


def test_in_bfloat16_the_gradient_comes_back_in_the_images_precision(lenet):
    images = torch.rand(4, 1, 28, 28)
    with frozen(lenet):
        expected = score_and_gradient(lenet, images)[1]
        with sped_up(lenet), torch.autocast("cpu", torch.bfloat16):
            got = score_and_gradient(lenet, images)[1]
    assert got.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(got.flatten(1), expected.flatten(1)).min() > 0.98


class Viewing(nn.Module):
    """As most people write a first network: it reads a convolution's output as it lies in memory."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 4, 3, stride=2), nn.Linear(4 * 13 * 13, 10)

    def forward(self, images):
        return self.out(self.conv(images).view(-1, 4 * 13 * 13))


def test_a_network_that_views_its_activations_has_them_as_it_knows_them():
    torch.manual_seed(0)
    network, images = Viewing(), torch.rand(3, 1, 28, 28)
    expected = score_and_gradient(network, images)
    weight = network.conv.weight.data
    with frozen(network):
        for _ in range(2):
            torch.testing.assert_close(score_and_gradient(network, images), expected)
    assert network.conv.weight.data.data_ptr() == weight.data_ptr() and "forward" not in vars(network)


def test_what_else_is_wrong_with_a_network_is_still_said():
    network = Viewing()
    with frozen(network), pytest.raises(RuntimeError, match="invalid for input"):
        network(torch.rand(1, 1, 20, 20))
