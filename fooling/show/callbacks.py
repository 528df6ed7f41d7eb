"""Watch what confuses a classifier while it trains, in anyone's training loop.

    watch = ConfusedImages(to_folder("confused"), to_tensorboard(writer), every=100)
    for step, (images, labels) in enumerate(loader):
        ...
        watch(model, images, step, labels)

In Lightning, give it Lightning's other hooks: `class Watch(ConfusedImages, lightning.Callback): pass`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fooling.errors import UserError
from fooling.files import write_png
from fooling.show.explanations import Confused, confused
from fooling.show.figures import draw_confused

Sink = Callable[[Mapping[str, np.ndarray], int], None]
"""Takes pictures, uint8 (height, width, 3), by their tags, and the training step they belong to."""


class ConfusedImages:
    """Every so many batches, finds the batch's images that stand between two classes, and logs one picture of each.

    The picture shows the image, the gradients of both classes' logits with respect to it, and the image moved one step
    towards either; its tag is confused/0 for the closest call, confused/1 for the next ... Logits, gradients and
    moved images are all those of the model in evaluation mode. The model, its gradients, its modes and the global
    random state are left as they were, so training goes on exactly as without the callback.

    sinks: where pictures go (to_folder, to_wandb, to_tensorboard, or any function like them).
    every: look at the batches whose step is a multiple of it.
    count: at most so many images of a batch.
    step: how far the images move; max_gap, min_pair: what counts as confused (see explanations.confused).
    names: what the classes are called.
    mean, std: of the normalisation that the batch's images went through, one number or one for each channel.
    """

    def __init__(
        self,
        *sinks: Sink,
        every: int = 100,
        count: int = 4,
        step: float = 0.05,
        max_gap: float = 1.0,
        min_pair: float = 0.5,
        names: Sequence[str] | None = None,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
    ):
        if not sinks:
            raise UserError("ConfusedImages needs at least one place to log to, such as to_folder('confused')")
        if every < 1 or count < 1:
            raise UserError(f"every and count must be at least 1, got every={every} and count={count}")
        self.sinks, self.every, self.names = sinks, every, names
        self._last_step = -1
        self.search: dict[str, Any] = {"count": count, "step": step, "max_gap": max_gap, "min_pair": min_pair}
        self.mean, self.std = (torch.as_tensor(v, dtype=torch.float32).view(-1, 1, 1) for v in (mean, std))

    def __call__(
        self, classifier: nn.Module, images: Tensor, step: int, labels: Tensor | None = None
    ) -> Confused | None:
        """Look at a batch (n, c, h, w) as the classifier gets it; give back what was logged, None if nothing was.

        Raises UserError if the images, without their normalisation, are not in [0, 1].
        """
        if step % self.every or not _is_first_process():
            return None
        pixels = images.detach().float() * self.std.to(images.device) + self.mean.to(images.device)
        low, high = pixels.min().item(), pixels.max().item()
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise UserError(
                f"the batch's images are in [{low:.3g}, {high:.3g}], expected [0, 1]:"
                " tell ConfusedImages the mean and std of their normalisation"
            )
        normalized = _Normalized(_unwrapped(classifier), self.mean, self.std, images.dtype)
        found = confused(normalized, pixels.clamp(0, 1), labels, **self.search)
        if len(found.indices) == 0:
            return None
        pictures = {
            f"confused/{rank}": draw_confused(found, self.names, rows=[rank]) for rank in range(len(found.indices))
        }
        for sink in self.sinks:
            sink(pictures, step)
        return found

    def on_train_batch_end(
        self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Lightning's hook, for batches that are (images, labels, ...) or images alone.

        The step is that of the optimiser: batch_idx begins again with every epoch.
        """
        step = trainer.global_step - 1  # it has been counted by now
        if step == self._last_step:  # the gradients of several batches are accumulated
            return
        self._last_step = step
        images, labels = (
            (batch, None) if isinstance(batch, Tensor) else (batch[0], batch[1] if len(batch) > 1 else None)
        )
        self(pl_module, images, step, labels)


def to_folder(folder: str | os.PathLike) -> Sink:
    """Pictures as FOLDER/TAG/STEP.png."""

    def sink(pictures: Mapping[str, np.ndarray], step: int) -> None:
        for tag, picture in pictures.items():
            write_png(picture, Path(folder) / tag / f"{step:08d}.png")

    return sink


def to_tensorboard(writer: Any) -> Sink:
    """Pictures in a torch.utils.tensorboard.SummaryWriter."""

    def sink(pictures: Mapping[str, np.ndarray], step: int) -> None:
        for tag, picture in pictures.items():
            writer.add_image(tag, picture, step, dataformats="HWC")

    return sink


def to_wandb(run: Any) -> Sink:
    """Pictures in a wandb run, against their own axis confused/step.

    They join the row that the training loop is about to log, so that its own step count is not disturbed.
    """
    run.define_metric("confused/*", step_metric="confused/step")
    pending: list[int] = []  # wandb's step of the row that our last pictures joined

    def sink(pictures: Mapping[str, np.ndarray], step: int) -> None:
        import wandb

        if pending == [run.step]:  # nobody has logged since: write those out, or these would take their place
            run.log({})
        pending[:] = [run.step]
        images = {tag: wandb.Image(picture) for tag, picture in pictures.items()}
        run.log({**images, "confused/step": step}, commit=False)

    return sink


class _Normalized(nn.Module):
    """The model behind its normalisation, so that it too takes images in [0, 1]."""

    def __init__(self, model: nn.Module, mean: Tensor, std: Tensor, dtype: torch.dtype):
        super().__init__()
        self.model, self.mean, self.std, self.dtype = model, mean, std, dtype

    def forward(self, images: Tensor) -> Tensor:
        return self.model(((images - self.mean.to(images.device)) / self.std.to(images.device)).to(self.dtype))


def _unwrapped(model: nn.Module) -> nn.Module:
    """The model itself: under DistributedDataParallel a forward on one process alone would wait for the others, and
    under torch.compile one of another size would be compiled anew."""
    if isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
        model = model.module
    return getattr(model, "_orig_mod", model)


def _is_first_process() -> bool:
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0
