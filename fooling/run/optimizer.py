"""One update of a network, along the gradients of all processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import Accelerator
from torch import Tensor


def average_gradients(parameters: Sequence[Tensor], accelerator: Accelerator) -> Tensor:
    """Give every process the mean of all processes' gradients, and return its norm: a scalar, on the device.

    One reduction of one flat tensor, after the last backward pass of a step, in place of DistributedDataParallel: it
    leaves second derivatives, shared graphs and accumulation alone, and small networks have nothing to overlap.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if accelerator.num_processes > 1:
        flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
        torch._foreach_copy_(
            gradients,
            [f.view_as(g) for f, g in zip(flat.split([g.numel() for g in gradients]), gradients, strict=True)],
        )
    return torch.nn.utils.get_total_norm(gradients)
