"""What one forward pass of a classifier shows: logits, probabilities, the activations of layers, gradients."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import torch
from torch import Tensor, nn

from fooling.classifiers.networks import reject_index
from fooling.errors import UserError


@dataclasses.dataclass(frozen=True)
class Outputs:
    """One forward pass.

    images: float (n, c, h, w) in [0, 1].
    logits: float (n, classes), the reject class last if there is one.
    starts: the images (n, c, h, w) that these were climbed from; None where nothing was climbed.
    activations: what the watched layers gave, by name, each (n, ...).
    reject: which logit says "none of these"; None for a classifier without one.
    """

    images: Tensor
    logits: Tensor
    starts: Tensor | None = None
    activations: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    reject: int | None = None

    @cached_property
    def log_probabilities(self) -> Tensor:
        logits = self.logits.float() if self.logits.dtype.itemsize < 4 else self.logits
        with torch.set_grad_enabled(logits.requires_grad):  # kept for whoever asks next, who may want a gradient
            return logits.log_softmax(1)

    @cached_property
    def probabilities(self) -> Tensor:
        with torch.set_grad_enabled(self.logits.requires_grad):
            return self.log_probabilities.exp()


@contextlib.contextmanager
def watched(classifier: nn.Module, layers: Iterable[str] = ()) -> Iterator[Callable[..., Outputs]]:
    """Inside the block: a function (images, starts=None) -> Outputs that also sees what the named layers give.

    The layers are told by their names in `classifier.named_modules()` and watched with forward hooks, which are gone
    after the block. An unknown layer raises UserError, which lists the known ones.
    """
    modules = {name: module for name, module in classifier.named_modules() if name}
    reject = reject_index(classifier)
    activations: dict[str, Tensor] = {}

    def watch(layer: str) -> torch.utils.hooks.RemovableHandle:
        if layer not in modules:
            raise UserError(f"no layer {layer!r} in {type(classifier).__name__}: known are {', '.join(modules)}")
        return modules[layer].register_forward_hook(lambda _, __, output: activations.update({layer: output}))

    def look(images: Tensor, starts: Tensor | None = None) -> Outputs:
        logits = classifier(images)
        seen = dict(activations)
        activations.clear()
        return Outputs(images, logits, starts, seen, reject)

    with contextlib.ExitStack() as stack:
        for layer in dict.fromkeys(layers):
            stack.callback(watch(layer).remove)
        yield look


def gradient_of(total: Tensor, images: Tensor, what: object) -> Tensor:
    """The gradient of a sum over images (n, ...), which is every image's own; no parameter's `.grad` is touched.

    Raises UserError, which names `what`, where the classifier lets no gradient through to its images.
    """
    if not total.requires_grad:
        raise UserError(
            f"{what} has no gradient: the classifier lets none through to its images, as under no_grad or after detach"
            " (evolution needs none)"
        )
    return torch.autograd.grad(total, images)[0]
