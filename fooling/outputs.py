"""What one forward pass of a classifier shows, and the small objects that read it, one verdict for each image."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import torch
from torch import Tensor, nn
from typing_extensions import Self

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


def reject_index(classifier: nn.Module) -> int | None:
    """Which logit of the classifier says "none of these"; None where there is no such."""
    return classifier.num_classes if getattr(classifier, "reject_class", False) else None


class PerImage:
    """Base of objectives and criteria: settings for all images together, tensors with one entry for each image.

    A subclass may keep per-image state in any attribute that is a tensor (n, ...), or another PerImage, or a tuple of
    them; `select` then follows the images when some of them leave the batch.
    """

    def select(self, which: Tensor | slice) -> Self:
        """The same for some of the images: a mask (n,), indices or a slice."""
        return self._mapped(lambda tensor: tensor[which])

    def to(self, device: torch.device | str) -> Self:
        return self._mapped(lambda tensor: tensor.to(device))

    def check(self, count: int, classes: int) -> None:
        """Raise UserError unless this fits `count` images and a classifier with `classes` logits."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and len(value) != count:
                raise UserError(f"{self}: {name} has {len(value)} entries for {count} images")
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, PerImage):
                    part.check(count, classes)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        def mapped(value):
            if isinstance(value, Tensor):
                return change(value)
            if isinstance(value, PerImage):
                return value._mapped(change)
            return tuple(map(mapped, value)) if isinstance(value, tuple) else value

        changed = copy.copy(self)
        vars(changed).update({name: mapped(value) for name, value in vars(self).items()})
        return changed

    def __repr__(self) -> str:
        values = [v for value in vars(self).values() for v in (value if isinstance(value, tuple) else (value,))]
        shown = [_shown(v) for v in values if v is not None]
        return f"{type(self).__name__}({', '.join(shown)})"


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


def as_target(target: int | Iterable[int] | Tensor) -> int | Tensor:
    """A class for all images (int), or int64 (n,) with one for each. Raises UserError for anything else."""
    if isinstance(target, int) and not isinstance(target, bool):
        return target
    try:
        tensor = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"a target is a class number, or one for each image, got {target!r}") from error
    if tensor.is_floating_point() or tensor.dtype == torch.bool or tensor.dim() > 1:
        raise UserError(f"targets are whole numbers (n,), got {tensor.dtype} of shape {tuple(tensor.shape)}")
    return tensor.long() if tensor.dim() else int(tensor)


def check_target(target: int | Tensor, classes: int) -> None:
    """Raise UserError for a class that the classifier does not have."""
    numbers = torch.as_tensor(target)
    if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < classes:
        bad = int(numbers.max()) if int(numbers.min()) >= 0 else int(numbers.min())
        raise UserError(f"no class {bad}: the classifier has {classes} classes, 0 to {classes - 1}")


def at(values: Tensor, target: int | Tensor) -> Tensor:
    """values (n, classes) at each image's target: (n,)."""
    return values[:, target] if isinstance(target, int) else values.gather(1, target[:, None])[:, 0]


def _shown(value: object) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    if value.dim() != 1:
        return f"<{' x '.join(map(str, value.shape))}>"
    first = ", ".join(f"{v:g}" for v in value[:4].tolist())
    return f"[{first}]" if len(value) <= 4 else f"[{first}, ... {len(value)} in all]"
