"""A classifier held still: evaluation mode, no gradients for its weights, and what it says of images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fooling.errors import UserError
from fooling.images import check_images


@contextlib.contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Inside the block: evaluation mode and no gradients for parameters. After it, also after an exception: as before.

    Every submodule gets its own mode back and every parameter its own requires_grad; `.grad` is never touched.
    """
    modes = {module: module.training for root in modules for module in root.modules()}
    wants = {parameter: parameter.requires_grad for root in modules for parameter in root.parameters()}
    try:
        for module in modes:
            module.training = False
        for parameter in wants:
            parameter.requires_grad = False
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, want in wants.items():
            parameter.requires_grad = want


def device_of(classifier: nn.Module) -> torch.device:
    """Where a classifier computes; the CPU for one that holds no tensor."""
    tensors = [*classifier.parameters(), *classifier.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def check_fit(classifier: nn.Module, images: Tensor) -> None:
    """Raise UserError unless these are images, and of the shape that the classifier says it takes (input_shape)."""
    check_images(images)
    takes = getattr(classifier, "input_shape", None)
    if takes is not None and images.shape[1:] != tuple(takes):
        got, expected = (" x ".join(map(str, shape)) for shape in (images.shape[1:], takes))
        raise UserError(f"the images are {got}, the classifier takes {expected} (channels x height x width)")
