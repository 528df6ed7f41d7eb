"""The same networks, faster on a CPU, for as long as they are held still: layouts and kernels that oneDNN does well."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_BLOCK = 4


@cache
def keep_freed_memory() -> None:
    """Have the C library keep freed memory for the next allocation, up to 64 MB, rather than give it back each time.

    A network's activations are freed and allocated again at every step, and fresh memory costs a page fault for every
    4 kB: up to half of a small network's time. glibc raises its thresholds to the largest block that it has seen
    freed, up to 32 MB; so it is shown one, which is never written to. Elsewhere this does nothing.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


@contextlib.contextmanager
def sped_up(*modules: nn.Module) -> Iterator[None]:
    """Inside the block: networks that are held still (see `frozen`) compute the same in less time, where they are on
    the CPU. After it, every weight is the very tensor that it was and every layer has its own forward method again.

    Convolution weights are laid out with the channels innermost; and a convolution of grey images gets its input
    gradient in blocks (see `_GreyConvolution`). A network that says x.view(n, -1) of a convolution's output cannot read
    that layout: it gets its own back when it complains.
    """
    layers = [m for root in modules for m in root.modules() if type(m) is nn.Conv2d and m.weight.device.type == "cpu"]
    weights = [layer.weight.data for layer in layers]
    sped = [layer for layer in layers if _is_grey(layer)]
    wrapped = [root for root in modules if layers and type(root) is not nn.Conv2d and "forward" not in vars(root)]
    if layers:
        keep_freed_memory()
    try:
        for layer, weight in zip(layers, weights, strict=True):
            # Not contiguous(): filters of one channel are in both layouts at once, and it would leave them.
            layer.weight.data = weight.to(memory_format=torch.channels_last)
        for layer in sped:
            vars(layer)["forward"] = partial(_grey_forward, layer, cache(partial(_in_blocks, layer.weight.data)))

        def lay_back() -> None:
            for layer, weight in zip(layers, weights, strict=True):
                layer.weight.data = weight

        for root in wrapped:
            vars(root)["forward"] = partial(_forward_in_either_layout, root.forward, lay_back)
        yield
    finally:
        for module in (*sped, *wrapped):
            vars(module).pop("forward", None)
        for layer, weight in zip(layers, weights, strict=True):
            layer.weight.data = weight


def _forward_in_either_layout(
    forward: Callable[..., Any], lay_back: Callable[[], None], *inputs: Any, **named: Any
) -> Any:
    try:
        return forward(*inputs, **named)
    except RuntimeError as error:
        if "view size is not compatible" not in str(error):
            raise
        lay_back()
        return forward(*inputs, **named)


class _GreyConvolution(torch.autograd.Function):
    """A convolution of one input channel, whose input gradient is computed for 4 x 4 blocks of pixels at once.

    That gradient is a convolution with a single output channel, and oneDNN computes output channels in sixteens. With
    a stride of 4, and 16 output channels that each stand for a place in the block, all of them are of use: two to
    three times faster on the 5 x 5 filters of a LeNet.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int], blocks: Tensor
    ) -> Tensor:
        ctx.save_for_backward(blocks)
        ctx.shape, ctx.dtype = images.shape, images.dtype
        ctx.padding = tuple(side - 1 - p for side, p in zip(weight.shape[2:], padding, strict=True))
        return F.conv2d(images, weight, bias, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # Of differentiable parts, so that second derivatives pass through as well.
        (blocks,) = ctx.saved_tensors
        height, width = ctx.shape[2:]
        missing = (-width % _BLOCK, -height % _BLOCK)
        if any(missing):  # the last blocks reach beyond the image
            gradient = F.pad(gradient, (0, missing[0], 0, missing[1]))
        blocked = F.conv2d(gradient, blocks.to(gradient.dtype), stride=_BLOCK, padding=ctx.padding)
        return F.pixel_shuffle(blocked, _BLOCK)[..., :height, :width].to(ctx.dtype), None, None, None, None


def _is_grey(layer: nn.Conv2d) -> bool:
    plain = layer.stride == layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    small = isinstance(layer.padding, tuple) and all(
        p < side for p, side in zip(layer.padding, layer.kernel_size, strict=True)
    )
    return layer.in_channels == 1 and plain and small and "forward" not in vars(layer)


def _grey_forward(layer: nn.Conv2d, blocks: Callable[[], Tensor], images: Tensor) -> Tensor:
    if not images.requires_grad:
        return F.conv2d(images, layer.weight, layer.bias, padding=layer.padding)
    return _GreyConvolution.apply(images, layer.weight, layer.bias, layer.padding, blocks())


def _in_blocks(weight: Tensor) -> Tensor:
    """The filters (channels, 1, a, b) turned round, once for each place in a block: (16, channels, a + 3, b + 3)."""
    channels, _, a, b = weight.shape
    blocks = weight.new_zeros(_BLOCK, _BLOCK, channels, a + _BLOCK - 1, b + _BLOCK - 1)
    for y in range(_BLOCK):
        for x in range(_BLOCK):
            blocks[y, x, :, y : y + a, x : x + b] = weight[:, 0].flip(1, 2)
    return blocks.flatten(0, 1).to(memory_format=torch.channels_last)
