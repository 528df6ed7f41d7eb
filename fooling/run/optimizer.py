"""What a run trains, and one update of it: networks made from a seed, Adam, the gradients of all processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from fooling.run.processes import Processes
from fooling.seeds import seeded

Network = TypeVar("Network", bound=nn.Module)


def new_network(make: Callable[[], Network], seed: int, device: torch.device | str = "cpu") -> Network:
    """What `make` makes, its first weights a function of the seed alone, laid out as the device computes fastest."""
    with seeded(seed):
        network = make()
    # Convolutions of oneDNN and cuDNN are fastest with the channels innermost.
    layout = torch.channels_last if torch.device(device).type in ("cpu", "cuda") else torch.preserve_format
    return network.to(device, memory_format=layout)  # type: ignore[call-overload]  # torch's stubs lack it with a device


def new_adam(network: nn.Module, rate: float, *, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Adam:
    """Adam for all parameters of a network, in one pass over them where there is one for the device."""
    parameters = list(network.parameters())
    return torch.optim.Adam(parameters, rate, betas, fused=parameters[0].device.type in ("cpu", "cuda"))


def update(
    optimizer: torch.optim.Optimizer,
    rate: float,
    processes: Processes | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> Tensor:
    """One step at a learning rate along the mean of all processes' gradients, which are gone after it; returns their
    norm: a scalar, on the device.

    scaler: what scaled the loss (Micikevicius et al. 2018, section 3.2). Where a gradient has overflowed float16 the
        step is left out, on all processes, the norm is 0, and the next ones are scaled less.
    """
    (group,) = optimizer.param_groups
    group["lr"] = rate
    norm = average_gradients(group["params"], processes)
    if scaler is None or not scaler.is_enabled():
        optimizer.step()
    else:  # after the reduction, through which every process knows of an overflow on any
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.get_total_norm([p.grad for p in group["params"] if p.grad is not None])
        norm = torch.where(norm.isfinite(), norm, 0.0)
        scaler.step(optimizer)
        scaler.update()
    optimizer.zero_grad()
    return norm


def average_gradients(parameters: Sequence[Tensor], processes: Processes | None = None) -> Tensor:
    """Give every process the mean of all processes' gradients, and return its norm: a scalar, on the device.

    One reduction of one flat tensor, after the last backward pass of a step, in place of DistributedDataParallel: it
    leaves second derivatives, shared graphs and accumulation alone, and small networks have nothing to overlap.
    """
    learned = [p for p in parameters if p.grad is not None]
    gradients = [p.grad for p in learned if p.grad is not None]
    if processes is not None and processes.count > 1:
        flat = processes.mean_(torch.cat([_in_memory(g, p) for g, p in zip(gradients, learned, strict=True)]))
        parts = flat.split([p.numel() for p in learned])
        gradients = [part.as_strided(p.shape, p.stride()) for part, p in zip(parts, learned, strict=True)]
        for p, mean in zip(learned, gradients, strict=True):
            p.grad = mean
    return torch.nn.utils.get_total_norm(gradients)


def _in_memory(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The numbers (n,) of a gradient, in the order in which its parameter's lie in memory, as its own do nearly always.
    With the channels innermost, to flatten it by its indices, and back, takes as long as the reduction."""
    if gradient.stride() != parameter.stride():
        gradient = torch.empty_like(parameter, requires_grad=False).copy_(gradient)
    return gradient.as_strided((gradient.numel(),), (1,))
