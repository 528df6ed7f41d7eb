import re

import torch
from torch import nn

from gan import Discriminator, Generator
from gan.networks import ResidualGenerator, SNGANDiscriminator
from gan.networks.layer_table import layer_table


def test_it_says_every_layers_shape_and_parameters_and_the_total():
    table = layer_table(Generator(width=4, num_classes=10), torch.zeros(1, 64), torch.zeros(1, dtype=torch.int64))
    assert [re.split(r"\s{2,}", line) for line in table.splitlines()] == [
        ["DCGANGenerator", "layer", "output", "parameters"],
        ["joined", "Concatenation", "128", "640"],
        ["layers.0", "Linear", "256", "32,768"],
        ["layers.2", "WholeBatchNorm2d", "16 x 4 x 4", "32"],
        ["layers.4", "ConvTranspose2d", "8 x 7 x 7", "1,152"],
        ["layers.5", "WholeBatchNorm2d", "8 x 7 x 7", "16"],
        ["layers.7", "ConvTranspose2d", "4 x 14 x 14", "512"],
        ["layers.8", "WholeBatchNorm2d", "4 x 14 x 14", "8"],
        ["layers.10", "ConvTranspose2d", "1 x 28 x 28", "65"],
        ["total", "1 x 28 x 28", "35,193"],
    ]


def test_it_fits_a_terminal_and_adds_up_for_large_networks():
    network = ResidualGenerator(image_size=128, channels=3, width=2)
    table = layer_table(network, torch.zeros(1, 64))
    *rows, total = table.splitlines()[1:]
    assert max(map(len, table.splitlines())) <= 100 and len(rows) < 25
    counts = [int(row.split()[-1].replace(",", "")) for row in [*rows, total]]
    assert sum(counts[:-1]) == counts[-1] == sum(p.numel() for p in network.parameters())


def test_scores_blocks_and_somebody_elses_layers_have_their_line():
    table = layer_table(SNGANDiscriminator(width=2), torch.zeros(1, 1, 28, 28))
    assert re.search(r"^layers.1 +DiscriminatorBlock +4 x 7 x 7 +\d+$", table, re.MULTILINE)
    assert re.search(r"^total +1 +[\d,]+$", table, re.MULTILINE)

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 1)))
            self.scale, self.unused = nn.Parameter(torch.ones(1)), nn.Linear(3, 3)

        def forward(self, x):
            return self.module(x) * self.scale

    lines = [line.split() for line in layer_table(Wrapped(), torch.zeros(1, 3)).splitlines()[1:]]
    assert lines == [
        ["module.0", "Linear", "2", "8"], ["module.1.1", "Linear", "1", "3"], ["unused", "Linear", "-", "12"],
        ["its", "own", "1"], ["total", "1", "24"],
    ]  # fmt: skip


def test_the_network_and_all_random_numbers_stay_as_they_were():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    network = Discriminator(width=2, normalization="batch", spectral_norm=True)
    network.layers.insert(0, Noisy())
    network.layers[3].eval()  # somebody's choice
    before = {k: v.clone() for k, v in network.state_dict().items()}
    modes = [m.training for m in network.modules()]
    random = torch.get_rng_state()
    layer_table(network, torch.rand(4, 1, 28, 28, generator=torch.Generator()))
    assert torch.equal(torch.get_rng_state(), random) and [m.training for m in network.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in network.parameters())
    assert not any(m._forward_hooks for m in network.modules())
