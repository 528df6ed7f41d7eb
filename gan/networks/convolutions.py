"""Convolutions whose map is small and whose weights are many, on a CPU as one matrix product for the whole batch.

A library's convolution takes one image after the other and reads all weights for each: from 256 to 512 features, 4 MB
for the 16 places of a 4 x 4 map. The product of all windows of the batch with the weights reads them once, and that
layer's part of a training step takes a third of the time in bfloat16, two thirds in float32. Where a map has more
places or there are fewer weights the library is the faster one, and is left to it (tests/benchmarks/convolutions.py).

Both layers are torch's in all else: weights and their names, what they compute, how often it can be differentiated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PLACES = 4 * 4  # of the smaller map, at most
_WEIGHTS = 128 * 256  # for each pixel of the kernel, at least


class Conv2d(nn.Conv2d):
    """nn.Conv2d with zeros for padding."""

    padding: tuple[int, int]

    def forward(self, input: Tensor) -> Tensor:
        windows = _Windows(self.kernel_size, self.stride, self.padding, input.shape[2:])
        if not _pays(self, input, windows):
            return super().forward(input)
        rows = F.linear(_Cut.apply(input, windows), _as_rows(self.weight), self.bias)
        return rows.unflatten(0, (len(input), *windows.counts)).permute(0, 3, 1, 2)


class ConvTranspose2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d."""

    padding: tuple[int, int]

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Raises ValueError for an output_size that the layer cannot give, as torch's."""
        shapes = zip(input.shape[2:], self.kernel_size, self.stride, self.padding, self.output_padding, strict=True)
        sides = tuple((side - 1) * stride - 2 * pad + kernel + odd for side, kernel, stride, pad, odd in shapes)
        windows = _Windows(self.kernel_size, self.stride, self.padding, sides)
        if output_size is not None or not _pays(self, input, windows):
            return super().forward(input, output_size)
        rows = input.permute(0, 2, 3, 1).flatten(0, 2) @ _as_rows(self.weight)
        images = _Add.apply(rows, windows)
        return images if self.bias is None else images + self.bias.to(images.dtype)[:, None, None]


@dataclass(frozen=True)
class _Windows:
    """The windows of a convolution in an image of so many rows and columns, before padding."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    sides: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many one below the other, and side by side."""
        each = zip(self.sides, self.kernel, self.stride, self.padding, strict=True)
        return tuple((side + 2 * pad - kernel) // stride + 1 for side, kernel, stride, pad in each)


def _pays(layer: nn.Conv2d | nn.ConvTranspose2d, input: Tensor, windows: _Windows) -> bool:
    few = windows.counts[0] * windows.counts[1] <= _PLACES
    many = layer.weight.shape[0] * layer.weight.shape[1] >= _WEIGHTS
    return few and many and input.device.type == "cpu" and layer.groups == 1 and layer.dilation == (1, 1)


def _as_rows(weight: Tensor) -> Tensor:
    """(a, b, kernel, kernel) to (a, kernel * kernel * b): no copy where the channels are innermost."""
    return weight.permute(0, 2, 3, 1).flatten(1)


class _Cut(torch.autograd.Function):
    """Images (n, c, h, w) to their windows, (n * windows, kernel * kernel * c)."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, windows: _Windows) -> Tensor:
        ctx.windows = windows
        (down, across), (height, width) = windows.padding, windows.kernel
        padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, across, across, down, down))
        views = padded.unfold(1, height, windows.stride[0]).unfold(2, width, windows.stride[1])
        return views.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Add.apply(gradients[0], ctx.windows), None


class _Add(torch.autograd.Function):
    """The adjoint of _Cut: images in which every window is added where it was cut."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, windows: _Windows) -> Tensor:
        ctx.windows = windows
        (height, width), (down, across), counts = windows.kernel, windows.padding, windows.counts
        views = rows.view(-1, *counts, height, width, rows.shape[1] // (height * width))
        sides = [side + 2 * pad for side, pad in zip(windows.sides, windows.padding, strict=True)]
        exact = torch.promote_types(rows.dtype, torch.float32)  # bfloat16 would round each sum on its way
        images = rows.new_zeros(len(views), *sides, views.shape[-1], dtype=exact)
        for i in range(height):
            for j in range(width):
                part = images[:, i :: windows.stride[0], j :: windows.stride[1]][:, : counts[0], : counts[1]]
                part += views[:, :, :, i, j]
        images = images[:, down : sides[0] - down, across : sides[1] - across].to(rows.dtype)
        return images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Cut.apply(gradients[0], ctx.windows), None
