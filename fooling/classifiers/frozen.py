"""A network held still, and what a classifier that is held still says of images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fooling.classifiers.cpu_speed import sped_up
from fooling.errors import UserError
from fooling.images import check_images

_CHUNK = 256  # images whose activations fit comfortably into memory, and nearly into a CPU's cache


@contextlib.contextmanager
def frozen(*networks: nn.Module) -> Iterator[torch.device]:
    """Inside the block: evaluation mode, no gradients for parameters, and on a CPU the faster way to compute the same
    (see cpu_speed.sped_up); gives the device of the first network. After it, also after an exception: all as before.

    Every submodule gets its own mode back and every parameter its own requires_grad; `.grad` is never touched. Weights
    are not to be changed within. Blocks may stand inside each other.
    """
    modes = {module: module.training for root in networks for module in root.modules()}
    wants = {parameter: parameter.requires_grad for root in networks for parameter in root.parameters()}
    try:
        for module in modes:
            module.training = False
        for parameter in wants:
            parameter.requires_grad = False
        with sped_up(*networks):
            yield device_of(networks[0])
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, want in wants.items():
            parameter.requires_grad = want


def device_of(network: nn.Module, default: torch.device | str = "cpu") -> torch.device:
    """Where a network computes; `default` for one that holds no tensor."""
    for tensor in (*network.parameters(), *network.buffers()):
        return tensor.device
    return torch.device(default)


def check_fit(classifier: nn.Module, images: Tensor) -> None:
    """Raise UserError unless these are images, and of the shape that the classifier says it takes (input_shape)."""
    check_images(images)
    takes = getattr(classifier, "input_shape", None)
    if takes is not None and images.shape[1:] != tuple(takes):
        got, expected = (" x ".join(map(str, shape)) for shape in (images.shape[1:], takes))
        raise UserError(f"the images are {got}, the classifier takes {expected} (channels x height x width)")


@torch.no_grad()
def logits_of(classifier: nn.Module, images: Tensor) -> Tensor:
    """The logits, float32 (n, classes) on the CPU, that the classifier gives images (n, c, h, w) in [0, 1].

    It computes in evaluation mode, where its weights are, and is left as it was found. Raises UserError for images
    that it does not take.
    """
    check_fit(classifier, images)
    with frozen(classifier) as device:
        return torch.cat([classifier(some.to(device)).float().cpu() for some in images.split(_CHUNK)])


def probabilities(classifier: nn.Module, images: Tensor) -> Tensor:
    """The softmax probabilities, float32 (n, classes) on the CPU, that the classifier gives images; see logits_of."""
    return logits_of(classifier, images).softmax(1)


predict = probabilities  # the public name, by which it has always been known
