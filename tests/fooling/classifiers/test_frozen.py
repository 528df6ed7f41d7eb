"""Whoever asks a classifier finds it in evaluation mode, and leaves it as it was."""

import copy

import pytest
import torch

from fooling.audit.scores import scale_to_certainty
from fooling.classifiers.frozen import device_of, frozen, predict
from fooling.classifiers.judge import JudgeNet, recognised
from fooling.classifiers.networks import LeNet
from fooling.classifiers.train import accuracy
from fooling.images import Images

DIGITS = Images(torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8), torch.arange(20) % 10)
PIXELS = DIGITS.images / 255


@pytest.fixture
def judge():
    """In training mode, where its BatchNorm moves at every look, and its dropout makes every look another one."""
    torch.manual_seed(0)
    network = JudgeNet()
    network(torch.rand(64, 1, 28, 28))
    network.body[1].eval()  # but for one layer, which is to stay as it is
    return network


ASKED = {
    "recognised": lambda network: recognised(network, PIXELS, DIGITS.labels),
    "scale_to_certainty": lambda network: scale_to_certainty(network, PIXELS, 10),
    "accuracy": lambda network: torch.tensor(accuracy(network, DIGITS)),
    "predict": lambda network: predict(network, PIXELS),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_network_in_training_answers_as_in_evaluation_and_is_left_alone(name, judge):
    before, modes = copy.deepcopy(judge.state_dict()), [module.training for module in judge.modules()]
    answer = ASKED[name](judge)
    assert all(torch.equal(value, before[key]) for key, value in judge.state_dict().items())
    assert [module.training for module in judge.modules()] == modes
    assert torch.equal(answer, ASKED[name](copy.deepcopy(judge).eval()))


def test_frozen_says_where_the_network_is_and_may_stand_in_itself():
    network = LeNet().train()
    weight, forward = network.conv1.weight, LeNet.forward
    with frozen(network) as device, frozen(network) as again:
        assert device == again == torch.device("cpu") and not network.training
        inside = network(PIXELS)
        assert not inside.requires_grad
    assert network.training and network.conv1.weight is weight and weight.requires_grad
    assert "forward" not in vars(network.conv1) and type(network).forward is forward
    torch.testing.assert_close(inside, network(PIXELS))
    assert device_of(torch.nn.Flatten()) == torch.device("cpu")
    assert device_of(torch.nn.Flatten(), "meta") == torch.device("meta")


def test_second_derivatives_pass_through_a_network_that_is_held_still():
    """The convolution whose gradient is made faster is still one that can be differentiated twice."""
    network, images = LeNet().double(), PIXELS[:2].double().requires_grad_()

    def curvature():
        (slope,) = torch.autograd.grad(network(images).exp().sum(), images, create_graph=True)
        (second,) = torch.autograd.grad(slope.square().sum(), images)
        return second

    plain = curvature()
    with frozen(network):
        torch.testing.assert_close(curvature(), plain)
