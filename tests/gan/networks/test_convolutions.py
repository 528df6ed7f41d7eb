"""The product for the whole batch, against torch's own convolution on the same numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan.networks import DCGANDiscriminator, DCGANGenerator
from gan.networks.convolutions import Conv2d, ConvTranspose2d

# kernel, stride, padding, output padding, the larger side: maps of at most 16 places
SHAPES = [(4, 2, 1, 0, 8), (5, 2, 2, 1, 8), (3, 2, 1, 0, 7), (3, 1, 1, 0, 4), (4, 1, 0, 0, 4)]
MANY, FEW = (128, 256), (8, 16)


def layers(shape: tuple[int, ...], features: tuple[int, int] = MANY) -> tuple[nn.Module, nn.Module]:
    """Down and up between maps of 128 and 256 features, in float64."""
    torch.manual_seed(0)
    kernel, stride, padding, odd, _ = shape
    down = Conv2d(*features, kernel, stride, padding).double()
    up = ConvTranspose2d(*features[::-1], kernel, stride, padding, output_padding=odd, bias=kernel > 3).double()
    return down, up


def derivatives(apply: Callable[[Tensor], Tensor], layer: nn.Module, images: Tensor) -> list[Tensor]:
    """The output; its gradients, also once more through the slope along the images, as a penalty asks for them."""
    parts = [images.requires_grad_(), *layer.parameters()]
    output = apply(images)
    worth = torch.randn(output.shape, dtype=output.dtype, generator=torch.Generator().manual_seed(1))
    first = torch.autograd.grad((output**2 * worth).sum(), parts, create_graph=True)
    return [output, *first, *torch.autograd.grad((first[0] ** 2).sum(), parts)]


def torchs(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """What torch makes of the same layer."""
    parts = (layer.weight, layer.bias, layer.stride, layer.padding)
    if isinstance(layer, nn.ConvTranspose2d):
        return lambda images: F.conv_transpose2d(images, *parts, layer.output_padding)
    return lambda images: F.conv2d(images, *parts)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("which", ["down", "up"])
def test_it_computes_and_is_differentiated_as_torchs(which, shape, layout):
    down, up = layers(shape)
    layer, side = (down, shape[-1]) if which == "down" else (up, (shape[-1] + 2 * shape[2] - shape[0]) // shape[1] + 1)
    layer = layer.to(memory_format=layout)
    images = torch.randn(3, layer.weight.shape[which == "down"], side, side, dtype=torch.float64)
    images = images.contiguous(memory_format=layout)
    ours, theirs = derivatives(layer, layer, images), derivatives(torchs(layer), layer, images)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their)
    assert "convolution" not in operators(lambda: layer(images))
    assert ours[0].is_contiguous(memory_format=torch.channels_last)


def operators(call: Callable[[], object]) -> str:
    with torch.profiler.profile() as profiler:
        call()
    return " ".join(event.key for event in profiler.key_averages())


@pytest.mark.parametrize(
    ("layer", "images"),
    [
        (Conv2d(*MANY, 4, 2, 1), torch.rand(2, 128, 10, 10)),  # too many places
        (Conv2d(*FEW, 4, 2, 1), torch.rand(2, 8, 8, 8)),  # too few weights
        (Conv2d(*MANY, 3, groups=2), torch.rand(2, 128, 6, 6)),
        (Conv2d(*MANY, 2, dilation=2), torch.rand(2, 128, 6, 6)),
        (ConvTranspose2d(*MANY, 4, 2, 1), torch.rand(2, 128, 5, 5)),
        (ConvTranspose2d(*MANY, 3, groups=2), torch.rand(2, 128, 4, 4)),
    ],
)
def test_what_it_does_not_pay_for_is_torchs(layer, images):
    plain = type(layer).__mro__[1].forward
    assert torch.equal(layer(images), plain(layer, images))
    assert "convolution" in operators(lambda: layer(images))


def test_an_output_size_is_torchs():
    layer = ConvTranspose2d(*MANY[::-1], 4, 2, 1)
    assert layer(torch.rand(1, 256, 4, 4), output_size=[9, 9]).shape == (1, 128, 9, 9)


@pytest.mark.parametrize("which", [Conv2d, ConvTranspose2d])
def test_in_bfloat16_it_is_as_near_as_torchs(which):
    """To the same numbers in float64, whose convolution nothing rounds."""
    torch.manual_seed(0)
    layer = which(*(MANY if which is Conv2d else MANY[::-1]), 4, 2, 1).to(memory_format=torch.channels_last)
    images = torch.randn(8, layer.weight.shape[which is Conv2d], *[8 if which is Conv2d else 4] * 2)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = layer(images), torchs(layer)(images)
    assert ours.dtype == theirs.dtype == torch.bfloat16
    exact = torchs(layer.double())(images.double())
    # A transposed convolution's windows are rounded before they are added.
    assert (ours - exact).norm() < 1.5 * (theirs - exact).norm()


def test_the_dcgan_of_wide_networks_uses_it():
    generator, discriminator = DCGANGenerator(image_size=32, width=64), DCGANDiscriminator(image_size=32, width=64)
    kinds = {type(module) for network in (generator, discriminator) for module in network.modules()}
    assert {Conv2d, ConvTranspose2d} <= kinds and not {nn.Conv2d, nn.ConvTranspose2d} & kinds
    latents = torch.randn(2, 64)
    assert "Cut" in operators(lambda: discriminator(generator(latents)))
