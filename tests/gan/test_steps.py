import pytest
import torch
from torch import nn

from gan.losses import LOSSES
from gan.networks.dcgan import Discriminator, Generator
from gan.penalties import ZeroCentered
from gan.steps import discriminator_step, generator_step, without_weight_gradients

SHAPE = dict(image_size=8, width=4)


def networks(normalization: str = "none") -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    generator = Generator(latent_dim=3, normalization=normalization, **SHAPE)
    discriminator = Discriminator(**SHAPE)
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        nn.init.normal_(parameter, 0, 0.2)  # at the 0.02 that training starts from, gradients nearly vanish
    return generator, discriminator


def gradients(network: nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in network.parameters()]


def batch(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(1)
    return torch.rand(n, 1, 8, 8, generator=source), torch.randn(n, 3, generator=source)


@pytest.mark.parametrize("penalty", [None, ZeroCentered(2.0)], ids=["plain", "R1+R2"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_discriminators_gradient_is_that_of_the_whole_loss(loss, penalty):
    generator, discriminator = networks()
    reals, latents = batch()
    fakes = generator(latents)
    figures = discriminator_step(discriminator, reals, fakes, loss, penalty)

    x, y = reals.clone().requires_grad_(), fakes.detach().clone().requires_grad_()
    real, fake = discriminator(x), discriminator(y)
    whole = loss.discriminator(real, fake).mean()
    if penalty:
        for score, images in ((real, x), (fake, y)):
            (g,) = torch.autograd.grad(score.sum(), images, create_graph=True)
            whole = whole + 2.0 / 2 * (g / 2).square().sum() / len(g)
        assert figures["penalty"] > 0
    expected = torch.autograd.grad(whole, list(discriminator.parameters()), allow_unused=True)
    for got, want in zip(gradients(discriminator), expected, strict=True):
        torch.testing.assert_close(got, torch.zeros_like(got) if want is None else want)
    assert all(p.grad is None for p in generator.parameters())


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_generators_step_touches_the_generator_alone(loss):
    generator, discriminator = networks()
    reals, latents = batch()
    figures = generator_step(discriminator, reals, generator(latents), loss)
    assert all(p.grad is None and p.requires_grad for p in discriminator.parameters())
    expected = loss.generator(discriminator(reals), discriminator(generator(latents))).mean()
    assert figures["generator_loss"].item() == pytest.approx(expected.item())
    wanted = torch.autograd.grad(expected, list(generator.parameters()))
    for got, want in zip(gradients(generator), wanted, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("penalty", [None, ZeroCentered(2.0)], ids=["plain", "R1+R2"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_parts_add_up_to_the_whole_batch(loss, penalty):
    """With BatchNorm in the generator, and with a last part that is smaller than the others."""
    reals, latents = batch(7)
    gradients_in, figures_in = {}, {}
    for parts in (1, 3):
        generator, discriminator = networks(normalization="batch")
        fakes = generator(latents)
        figures_in[parts] = {
            **discriminator_step(discriminator, reals, fakes, loss, penalty, parts=parts),
            **generator_step(discriminator, reals, fakes, loss, parts=parts),
        }
        gradients_in[parts] = gradients(discriminator) + gradients(generator)
    torch.testing.assert_close(gradients_in[3], gradients_in[1], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(figures_in[3], figures_in[1])


def test_without_weight_gradients_restores_what_had_none_before_even_after_an_error():
    _, discriminator = networks()
    first = next(discriminator.parameters()).requires_grad_(False)
    with pytest.raises(RuntimeError), without_weight_gradients(discriminator):
        assert not any(p.requires_grad for p in discriminator.parameters())
        raise RuntimeError
    assert not first.requires_grad
    assert all(p.requires_grad for p in list(discriminator.parameters())[1:])


@pytest.mark.parametrize("loss", [LOSSES["relativistic"], LOSSES["hinge"]], ids=["relativistic", "hinge"])
def test_a_toy_generator_finds_the_grey_of_its_data(loss):
    """All data are nearly the same grey. Without a penalty the two would circle around it (Mescheder et al. 2018)."""
    penalty = ZeroCentered(0.1)
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid(), nn.Unflatten(1, (1, 1, 1)))
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(1, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Flatten(0))
    optimizers = [torch.optim.Adam(n.parameters(), 1e-2, betas=(0.0, 0.9)) for n in (discriminator, generator)]
    reals = torch.full((64, 1, 1, 1), 0.8) + 0.02 * torch.randn(64, 1, 1, 1)
    greys = []
    for _ in range(400):
        fakes = generator(torch.randn(64, 2))
        discriminator_step(discriminator, reals, fakes, loss, penalty)
        optimizers[0].step()
        generator_step(discriminator, reals, fakes, loss)
        optimizers[1].step()
        for optimizer in optimizers:
            optimizer.zero_grad()
        greys.append(fakes.detach().mean().item())
    assert abs(greys[0] - 0.8) > 0.2
    assert sum(greys[-200:]) / 200 == pytest.approx(0.8, abs=0.05)
