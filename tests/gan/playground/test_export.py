"""A network becomes a chain of layers that gives what it gave, or is refused in one line."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fooling.classifiers.judge import trained_judge
from fooling.classifiers.load import Adapted
from fooling.classifiers.networks import SoftmaxRegression
from fooling.data.load import DataConfig
from fooling.errors import UserError
from gan.networks import Generator
from gan.playground.export import as_data, chain_of, rounded, run


@pytest.fixture(scope="module")
def images(digits):
    return torch.cat([digits[0][:8], torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))])


class OfFunctions(nn.Module):
    """As PyTorch's own example for MNIST is written."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, 1), nn.Conv2d(8, 12, 3, 2, padding=1)
        self.dropout, self.fc1, self.fc2 = nn.Dropout(0.5), nn.Linear(12 * 36, 20), nn.Linear(20, 10)

    def forward(self, x):
        x = torch.relu(self.conv1((x - 0.1307) / 0.3081))
        x = F.max_pool2d(F.leaky_relu(self.conv2(x), 0.1), 2)
        x = torch.sigmoid(self.fc1(self.dropout(x).view(x.size(0), -1)))
        return self.fc2(F.dropout(x, training=self.training)).tanh()


class LogProbabilities(OfFunctions):
    def forward(self, x):
        return F.log_softmax(super().forward(x), dim=1)


def with_statistics(network):
    """The network with normalisation that does something."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
                tensor.data.uniform_(0.5, 2)
    return network.eval()


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return with_statistics(make())


NETWORKS = {
    "of functions": OfFunctions,
    "softmax regression": SoftmaxRegression,
    "the judge": lambda: trained_judge(DataConfig()),
    "norms everywhere": lambda: nn.Sequential(
        nn.BatchNorm2d(1), nn.Conv2d(1, 6, 5, 2, 2, bias=False), nn.BatchNorm2d(6), nn.LeakyReLU(0.2),
        nn.BatchNorm2d(6), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 49, 10),
    ),
    "Adapted": lambda: Adapted(
        nn.Sequential(nn.Conv2d(1, 4, 5, 2), nn.Tanh(), nn.Flatten(), nn.Linear(576, 10)).eval(),
        input_shape=(1, 28, 28), value_range=(0, 255), mean=[7], std=[90],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_chain_gives_what_its_network_gives(name, images):
    network = seeded(NETWORKS[name])
    with torch.no_grad():
        expected = network(images)
    assert torch.allclose(run(chain_of(name, network, images), images), expected, atol=1e-4)


def test_of_log_probabilities_the_chain_gives_the_logits(images):
    network = seeded(LogProbabilities)
    with torch.no_grad():
        expected = network(images)
    logits = run(chain_of("it", network, images), images)
    assert torch.allclose(logits.log_softmax(1), expected, atol=1e-5) and logits.exp().sum(1).min() > 1.1


def test_a_generator_is_a_chain_and_its_norms_are_part_of_its_layers():
    generator, latents = seeded(lambda: Generator(width=4)), torch.randn(4, 64)
    layers = chain_of("it", generator, latents)
    assert [layer.kind for layer in layers if layer.kind not in ("gather", "scatter", "leaky")] == ["tanh", "affine"]
    assert torch.allclose(run(layers, latents).view(-1, 1, 28, 28), generator.sample(latents=latents), atol=1e-5)


def test_a_network_is_left_as_it_was(images):
    network = OfFunctions().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    chain_of("it", network, images)
    assert network.training and all(p.requires_grad for p in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


class Branches(OfFunctions):
    def forward(self, x):
        return super().forward(x + x.tanh())


class Decides(OfFunctions):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else x.flatten(1)[:, :10]


class Masked(OfFunctions):
    def forward(self, x):
        return super().forward(x * torch.ones(28, 28))


flat = (nn.Flatten(), nn.Linear(784, 10))
REFUSED = {
    "gelu": nn.Sequential(*flat, nn.GELU()),
    "softmax": nn.Sequential(*flat, nn.Softmax(1)),
    "groups=2": nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(2304, 10)),
    "max_pool2d": nn.Sequential(nn.MaxPool2d(3), nn.Flatten(), nn.Linear(81, 10)),
    "mul, which is no sum": Masked(),
    "a branch": Branches(),
    "cannot be told apart": Decides(),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_page_does_not_know_is_named(what, images):
    with pytest.raises(UserError, match=r"^mine cannot go into the page: .*" + what) as refused:
        chain_of("mine", REFUSED[what], images)
    assert "\n" not in str(refused.value)


def test_weights_that_sixteen_bits_cannot_hold_are_refused(images):
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    network[1].weight.data[0, 0] = 1e6
    with pytest.raises(UserError, match="mine cannot go into the page: its weights do not bear being rounded"):
        rounded("mine", chain_of("mine", network, images), images, logits=True)


def test_rounding_changes_no_probability_that_one_could_see(images, classifiers):
    for name, classifier in classifiers.items():
        chain = chain_of(name, classifier, images)
        before, after = run(chain, images).softmax(1), run(rounded(name, chain, images, logits=True), images).softmax(1)
        assert (before - after).abs().max() < 2e-3
        assert len(as_data(chain)["numbers"]) < 220_000
