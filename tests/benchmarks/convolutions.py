"""A convolution's part of a training step, as one product for the batch and as torch has it, in turns: which gain.

    python tests/benchmarks/convolutions.py [--precision bf16] [--batch 128] [--rounds 7]

On one thread, forward and backward to images and weights. Kernels of 4 with stride 2, down and up, between a map and
one of half its side: where gan/networks/convolutions.py draws its line, and either side of it.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import torch
from rows import HEADING, Row, in_turns, keep
from torch import Tensor, nn

from fooling import cli
from gan.networks import convolutions

SIZES = [(32, 64, 8), (64, 128, 8), (128, 256, 8), (256, 512, 8), (128, 256, 16), (256, 512, 16)]
REPEATS = 4  # steps in a turn


def main(
    precision: Literal["bf16", "fp32"] = "fp32", batch: int = 128, rounds: int = 7, json: Path | None = None
) -> None:
    """Print a row for each layer.

    Args:
        precision: What autocast computes in.
        batch: Images in a batch.
        rounds: How often they take turns.
        json: A file for the rows.
    """
    torch.set_num_threads(1)
    rows: list[Row] = []
    print(HEADING)
    for small, large, side in SIZES:
        down, up = convolutions.Conv2d(small, large, 4, 2, 1), convolutions.ConvTranspose2d(large, small, 4, 2, 1)
        for kind, layer, features, from_side in (("down", down, small, side), ("up", up, large, side // 2)):
            layer.to(memory_format=torch.channels_last)
            images = torch.randn(batch, features, from_side, from_side).to(memory_format=torch.channels_last)
            what = f"{kind}, {small} features at {side} x {side} and {large} at half that, batch {batch}, {precision}"
            rows += compared(what, layer, images, precision == "bf16", rounds)
    keep(rows, json)


def compared(what: str, layer: nn.Module, images: Tensor, is_bf16: bool, rounds: int) -> list[Row]:
    images = images.bfloat16() if is_bf16 else images
    images.requires_grad_()

    def step(places: int, weights: int) -> None:
        convolutions._PLACES, convolutions._WEIGHTS = places, weights
        for _ in range(REPEATS):
            with torch.autocast("cpu", torch.bfloat16) if is_bf16 else nullcontext():
                output = layer(images)
            output.backward(torch.ones_like(output))

    torchs = {"torch's convolution": lambda: step(0, 0)}
    return in_turns(what, REPEATS * len(images), "images/s", lambda: step(10**9, 0), torchs, rounds=rounds)


if __name__ == "__main__":
    sys.exit(cli.run(main))
