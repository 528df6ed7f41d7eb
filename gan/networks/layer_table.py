"""A table of a network's layers, as it is printed when training begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def layer_table(network: nn.Module, *inputs: Any) -> str:
    """A line for each layer that has parameters, or block of layers: its output's shape, without the batch, and how
    many parameters it has; and the total.

    inputs: what the network is called with, such as latents (1, latent_dim). The call, in evaluation mode, leaves the
    network, its statistics and all random numbers as they were.
    """
    layers = dict(_layers(network))
    shapes = _shapes(network, layers, inputs)
    counts = {name: _parameters(layer) for name, layer in layers.items()}
    whole = _parameters(network)
    rows = [(n, _kind(layer), shapes.get(n, "-"), f"{counts[n]:,}") for n, layer in layers.items()]
    if own := whole - sum(counts.values()):
        rows.append(("its own", "", "", f"{own:,}"))
    rows = [(_kind(network), "layer", "output", "parameters"), *rows, ("total", "", shapes[""], f"{whole:,}")]
    name, kind, shape, count = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(f"{n:{name}}  {k:{kind}}  {s:{shape}}  {c:>{count}}" for n, k, s, c in rows)


def _layers(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers and blocks of a network: what containers hold, and what is wrapped in nothing else."""
    children = {name: child for name, child in network.named_children() if _parameters(child)}
    for name, child in children.items():
        wrapped = len(children) == 1 and _parameters(child) == _parameters(network) and any(child.children())
        if isinstance(child, _CONTAINERS) or wrapped:
            yield from _layers(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


@torch.no_grad()
def _shapes(network: nn.Module, layers: dict[str, nn.Module], inputs: tuple[Any, ...]) -> dict[str, str]:
    shapes: dict[str, str] = {}

    def note(name: str) -> Any:
        return lambda _layer, _inputs, output: shapes.update({name: _shape(output)})

    modes = {module: module.training for module in network.modules()}
    hooks = [layer.register_forward_hook(note(name)) for name, layer in [*layers.items(), ("", network)]]
    devices = {p.device for p in network.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices):
            network.eval()(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return shapes


def _shape(output: Any) -> str:
    tensors = [part for part in (output if isinstance(output, tuple) else (output,)) if isinstance(part, Tensor)]
    return " x ".join(map(str, tensors[0].shape[1:])) or "1" if tensors else ""


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _kind(module: nn.Module) -> str:
    return type(module).__name__.removeprefix("Parametrized")
