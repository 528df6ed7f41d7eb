import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from fooling.pretrained import Pretrained
from fooling.seeds import seeded
from gan.augment import Brightness, Chain, Translation
from gan.draws import Draws
from gan.losses import loss_named
from gan.networks.spectral_norm import SpectralNorm, one_power_iteration, with_spectral_norm
from gan.penalties import penalty_named
from gan.steps import discriminator_step


class Tiny(Pretrained):
    """Convolutions both ways, an embedding and a linear layer."""

    def __init__(self, *, width: int = 6):
        super().__init__()
        self.config = {"width": width}
        self.classes = nn.Embedding(3, width)
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.LeakyReLU(0.2), nn.ConvTranspose2d(width, width + 2, 4, 2, 1),
            nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear((width + 2) * 64, 1), nn.Flatten(0),
        )  # fmt: skip
        with_spectral_norm(self)

    def forward(self, images):
        return self.layers(images) + self.classes.weight.sum()


def tiny(seed: int = 0) -> Tiny:
    with seeded(seed):
        return Tiny()


def images(n: int = 4, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def weights(network: nn.Module) -> list[torch.Tensor]:
    """The weights that are used, as matrices from what a layer is given to what it gives."""
    found = {name: m for name, m in network.named_modules() if hasattr(m, "parametrizations")}
    assert list(found) == ["classes", "layers.0", "layers.2", "layers.5"]
    return [m.weight.transpose(0, int(isinstance(m, nn.ConvTranspose2d))).flatten(1) for m in found.values()]


def train(network: nn.Module, steps: range) -> nn.Module:
    optimizer = torch.optim.SGD(network.parameters(), 0.02)
    for step in steps:
        with one_power_iteration(network):
            softplus(network(images(seed=step)) - network(1 - images(seed=-1 - step))).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return network


def moved(network: nn.Module) -> list[torch.Tensor]:
    return [m.u.clone() for m in network.modules() if isinstance(m, SpectralNorm)]


def test_every_weight_stretches_by_one_and_still_does_while_it_is_trained():
    network = tiny().eval()
    for steps in (range(0), range(30)):
        train(network.train(), steps)
        for matrix in weights(network.eval()):
            assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=0.05)


def test_the_gradient_is_that_of_the_weight_over_its_true_norm():
    weight = torch.randn(5, 7, dtype=torch.double, requires_grad=True, generator=torch.Generator().manual_seed(0))
    norm = SpectralNorm(weight)
    for _ in range(200):
        norm(weight)
    probe = torch.randn(5, 7, dtype=torch.double)
    (got,) = torch.autograd.grad((norm(weight) * probe).sum(), weight)
    (want,) = torch.autograd.grad((weight / torch.linalg.matrix_norm(weight, 2) * probe).sum(), weight)
    torch.testing.assert_close(got, want)


def test_it_is_a_function_of_the_seed():
    assert torch.equal(train(tiny(), range(3))(images()), train(tiny(), range(3))(images()))
    assert not torch.equal(moved(tiny())[0], moved(tiny(1))[0])


def test_copies_checkpoints_and_saved_networks_go_on_to_the_bit(tmp_path):
    begun = train(tiny(), range(3))
    copied, loaded = copy.deepcopy(begun), tiny(1)
    loaded.load_state_dict(begun.state_dict())
    saved = Tiny.from_pretrained(begun.save_pretrained(tmp_path / "saved")).train()
    expected = train(begun, range(3, 6)).eval()(images())
    for other in (copied, loaded, saved):
        assert torch.equal(train(other, range(3, 6)).eval()(images()), expected)


def test_vectors_move_once_in_a_step_and_never_where_weights_are_held():
    network = tiny()
    before = moved(network)
    with one_power_iteration(network):
        outputs = network(images())
        once = moved(network)
        assert torch.equal(network(images()), outputs)
    assert not any(torch.equal(a, b) for a, b in zip(before[1:-1], once[1:-1], strict=True))
    network.eval()(images())
    network.train().requires_grad_(False)(images())
    assert all(torch.equal(a, b) for a, b in zip(moved(network), once, strict=True))
    network.requires_grad_(True)(images())  # whoever writes a step of their own has them moved at every pass
    assert not torch.equal(moved(network)[1], once[1])


def test_two_passes_can_be_learned_from_together():
    network = tiny()
    (network(images()).mean() - network(images(seed=2)).mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_under_autocast_the_weights_are_those_of_full_precision():
    network = tiny().eval()
    plain = weights(network)
    with torch.autocast("cpu", torch.bfloat16):
        for one, other in zip(weights(network), plain, strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("kind", ["r1+r2", "wgan-gp", "dragan"])
def test_a_batch_in_parts_is_the_batch_as_a_whole(kind):
    """With vectors that move, a penalty that draws, and an augmentation."""
    augmentation = Chain([Translation(), Brightness()])
    steps = {}
    for parts in (1, 3):
        network = tiny()
        figures = discriminator_step(
            network, images(7), images(7, seed=2), loss_named("hinge"), penalty_named(kind, 2.0), parts=parts,
            augment=lambda x, draws: augmentation(x, draws.uniform(augmentation.numbers), 0.7), draws=Draws(3, 7),
        )  # fmt: skip
        steps[parts] = figures, [p.grad for p in network.parameters()], moved(network)
    torch.testing.assert_close(steps[3], steps[1], rtol=1e-5, atol=1e-6)
