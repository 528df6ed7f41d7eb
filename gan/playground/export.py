"""Networks as the page runs them: a chain of layers, of a few kinds, and one string of numbers.

torch.fx finds the chain, so that a network may be written with modules or with functions. BatchNorm goes into the layer
before it. What is left is of seven kinds: gather (a convolution; a dense layer is one of a single pixel), scatter (a
transposed convolution, which is the gradient of a gather), affine, leaky (ReLU too), pool, tanh and sigmoid.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from fooling.errors import UserError

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_WEIGHTED = (nn.Conv2d, nn.Linear, nn.ConvTranspose2d)
_KNOWN = "Conv2d, ConvTranspose2d, Linear, BatchNorm, ReLU, LeakyReLU, MaxPool2d(2), Tanh, Sigmoid, Flatten and Dropout"
_SHAPES_ONLY = {"flatten", "unflatten", "view", "reshape", "squeeze", "unsqueeze", "to", "float", "contiguous"}
_ARITHMETIC = {"add", "sub", "rsub", "mul", "div", "truediv"}
_SAME = 1e-3  # of the largest number that a network gives: by how much its chain may differ
_ROUNDED = 0.01  # by how much a probability or a pixel may change when weights are rounded to 16 bits


@dataclass(frozen=True)
class Layer:
    """One layer: its kind, and what the page has to know of it.

    weight: of a gather or a scatter, float32 (channels of the small image, numbers in a patch of the big one).
    bias: of these too, one number for each channel of what it gives.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    weight: Tensor | None = None
    bias: Tensor | None = None


def chain_of(name: str, network: nn.Module, examples: Tensor) -> list[Layer]:
    """The layers of a network, from what it takes to the numbers that it gives; of one that gives log-probabilities, to
    the logits.

    examples: at least two inputs, such as images (n, 1, 28, 28), on which the chain is compared with the network.

    Raises UserError, in one line with the network's name, for a network that is no chain of layers that the page knows,
    or whose chain gives something else than it does.
    """
    alone = _Alone(copy.deepcopy(network).cpu().float()).eval()
    with torch.no_grad():
        try:
            graph = fx.GraphModule(alone, _Tracer().trace(alone))
            interpreter = fx.Interpreter(graph, garbage_collect_values=False)
            interpreter.run(examples)
        except Exception as error:  # whatever somebody else's code raises when it is given a stand-in for images
            said = " ".join(str(error).split())[:120]
            raise UserError(f"{name} cannot go into the page: its layers cannot be told apart ({said})") from error
        walk = _Walk(interpreter)
        try:
            for node in graph.graph.nodes:
                walk.take(node)
        except _Unknown as unknown:
            raise UserError(f"{name} cannot go into the page: it has {unknown}, and the page knows {_KNOWN}") from None
        theirs = alone(examples).flatten(1)
        ours = run(walk.layers, examples)
    ours = ours.log_softmax(1) if walk.ended else ours
    if ours.shape != theirs.shape or not (ours - theirs).abs().max() <= _SAME * theirs.abs().max().clamp_min(1):
        raise UserError(f"{name} cannot go into the page: its layers, one after the other, give something else than it")
    return walk.layers


def rounded(name: str, layers: Sequence[Layer], examples: Tensor, *, logits: bool) -> list[Layer]:
    """The layers with their weights rounded to 16 bits, which halves the page.

    logits: whether the chain gives these; else pixels. Raises UserError where rounding changes a probability or a pixel
    by more than a hundredth.
    """
    half = [replace(layer, weight=_half(layer.weight), bias=_half(layer.bias)) for layer in layers]
    before, after = (run(each, examples).softmax(1) if logits else run(each, examples) for each in (layers, half))
    if not (before - after).abs().max() <= _ROUNDED:  # NaN, where a weight is beyond what 16 bits can hold
        raise UserError(f"{name} cannot go into the page: its weights do not bear being rounded to 16 bits")
    return half


def run(layers: Sequence[Layer], x: Tensor) -> Tensor:
    """What a chain makes of inputs (n, ...): (n, numbers), differentiable. The page's engine does the same."""
    for layer in layers:
        x = _RUN[layer.kind](layer, x.flatten(1))
    return x.flatten(1)


def as_data(layers: Sequence[Layer]) -> dict[str, Any]:
    """A chain for JSON: its layers, and the weights and bias of each in their order as 16 bits each, in base64."""
    numbers = [t.flatten() for layer in layers for t in (layer.weight, layer.bias) if t is not None]
    return {
        "layers": [{"kind": layer.kind, **layer.options} for layer in layers],
        "numbers": in_base64(torch.cat([torch.empty(0), *numbers]).half()),
    }


def in_base64(tensor: Tensor) -> str:
    """The numbers of a tensor as text: their bytes in order, the least significant first."""
    array = tensor.contiguous().numpy()
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def _half(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.half().float()


def _gather(layer: Layer, x: Tensor) -> Tensor:
    big, weight, stride, pad = _geometry(layer)
    return F.conv2d(x.view(-1, *big), weight, layer.bias, stride, pad)


def _scatter(layer: Layer, x: Tensor) -> Tensor:
    big, weight, stride, pad = _geometry(layer)
    small = layer.options["small"]
    odd = [b - ((s - 1) * stride - 2 * pad + weight.shape[-1]) for b, s in zip(big[1:], small[1:], strict=True)]
    return F.conv_transpose2d(x.view(-1, *small), weight, layer.bias, stride, pad, odd)


def _geometry(layer: Layer) -> tuple[list[int], Tensor, int, int]:
    big, size = layer.options["big"], layer.options["size"]
    weight = cast(Tensor, layer.weight).view(-1, big[0], size, size)
    return big, weight, layer.options["stride"], layer.options["pad"]


def _affine(layer: Layer, x: Tensor) -> Tensor:
    scale, shift = (torch.tensor(layer.options[name], dtype=x.dtype)[:, None] for name in ("scale", "shift"))
    return x.view(len(x), len(scale), -1) * scale + shift


_RUN = {
    "gather": _gather,
    "scatter": _scatter,
    "affine": _affine,
    "leaky": lambda layer, x: F.leaky_relu(x, layer.options["slope"]),
    "pool": lambda layer, x: F.max_pool2d(x.view(-1, *layer.options["big"]), 2),
    "tanh": lambda _, x: x.tanh(),
    "sigmoid": lambda _, x: x.sigmoid(),
}


class _Alone(nn.Module):
    """A network that is called with one thing alone: of the others it takes its defaults."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


class _Tracer(fx.Tracer):
    """Goes into every module but those with weights, so that nn.ReLU, F.relu and x.relu() come out the same."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*_WEIGHTED, *_NORMS))


class _Unknown(Exception):
    """What the page does not know, in words that follow "it has"."""


class _Walk:
    """Takes the nodes of a traced network in their order, and makes layers of them.

    ended: whether the last was a log_softmax, which is left out.
    """

    def __init__(self, interpreter: fx.Interpreter):
        self.modules = dict(interpreter.module.named_modules())
        self.results = interpreter.env
        self.layers: list[Layer] = []
        self.ended = False
        self._last: fx.Node | None = None  # whose result the next layer takes
        self._following: set[fx.Node] = set()  # all that depend on the input, shapes apart

    def take(self, node: fx.Node) -> None:
        if node.op != "placeholder":
            before = [n for n in node.all_input_nodes if n in self._following]
            if not before or not isinstance(self.results[node], Tensor):
                return  # a constant, or a part of a shape
            if before != [self._last]:
                raise _Unknown(f"a branch ({node.name})")
            if node.op == "output":
                return
            if self.ended:
                raise _Unknown(f"{node.name} behind its log_softmax")
            self._layer(node, self.results[before[0]], self.results[node])
        self._last = node
        self._following.add(node)

    def _layer(self, node: fx.Node, x: Tensor, y: Tensor) -> None:
        """Add what a node does, which makes y of x."""
        if len(y) != len(x):
            raise _Unknown(f"{node.name}, which mixes inputs")
        if node.op == "call_module":
            module = self.modules[str(node.target)]
            if isinstance(module, _NORMS):
                self._norm(module)
            else:
                self.layers.append(_weighted(module, _shape(x), _shape(y)))
            return
        what = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", str(node.target))
        if what in _ARITHMETIC:
            self._arithmetic(node, _shape(x)[0])
        elif what in ("relu", "relu_", "leaky_relu"):
            given: list[Any] = [*node.args[1:2], node.kwargs.get("negative_slope", 0.01)]
            self.layers.append(Layer("leaky", {"slope": float(given[0]) if what == "leaky_relu" else 0.0}))
        elif what in ("tanh", "sigmoid"):
            self.layers.append(Layer(what))
        elif what == "max_pool2d" and y.shape[1:] == (x.shape[1], x.shape[2] // 2, x.shape[3] // 2):
            self.layers.append(Layer("pool", {"big": _shape(x), "small": _shape(y)}))
        elif what == "log_softmax":
            self.ended = True
        elif "dropout" not in what and what not in _SHAPES_ONLY:
            raise _Unknown(what)

    def _norm(self, norm: nn.Module) -> None:
        """Batch normalisation is an affine map of each channel, with the statistics that it has."""
        assert isinstance(norm, _NORMS)
        if norm.running_mean is None or norm.running_var is None:
            raise _Unknown("a BatchNorm without statistics of its own")
        scale = (norm.running_var.double() + norm.eps).rsqrt()
        scale = scale if norm.weight is None else scale * norm.weight.double()
        shift = -norm.running_mean.double() * scale
        self._affine(scale, shift if norm.bias is None else shift + norm.bias.double())

    def _arithmetic(self, node: fx.Node, channels: int) -> None:
        """Sums and products with constants, found by what they make of 0 and of 1."""

        def made_of(value: float) -> Tensor:
            x = torch.full((channels, 1, 1), value, dtype=torch.float64)

            def put(argument: Any) -> Any:
                if not isinstance(argument, fx.Node):
                    return argument
                known = self.results[argument]
                known = known.double() if isinstance(known, Tensor) else known
                return x if argument is self._last else known

            arguments, options = fx.node.map_arg((node.args, node.kwargs), put)
            call = getattr(Tensor, node.target) if isinstance(node.target, str) else node.target
            return call(*arguments, **options)

        nothing, one, two = (made_of(value) for value in (0.0, 1.0, 2.0))
        if nothing.numel() != channels or not torch.allclose(two - one, one - nothing):  # as of 1 / x
            raise _Unknown(f"{node.name}, which is no sum and no product with a number for each channel")
        self._affine((one - nothing).flatten(), nothing.flatten())

    def _affine(self, scale: Tensor, shift: Tensor) -> None:
        """Add scale * x + shift, (channels,) each; into the layer before where that can take it."""
        last = self.layers[-1] if self.layers else Layer("none")
        if last.kind == "affine" and len(last.options["scale"]) == len(scale):
            before, moved = (torch.tensor(last.options[name], dtype=torch.float64) for name in ("scale", "shift"))
            self.layers.pop()
            scale, shift = scale * before, scale * moved + shift
        elif last.weight is not None and last.bias is not None and len(last.bias) % len(scale) == 0:
            each = len(last.bias) // len(scale)  # numbers of a dense layer to a channel
            scale, shift = scale.repeat_interleave(each), shift.repeat_interleave(each)
            patch = scale[:, None] if last.kind == "gather" else scale.repeat_interleave(last.options["size"] ** 2)
            weight, bias = last.weight.double() * patch, last.bias * scale + shift
            self.layers[-1] = replace(last, weight=weight.float(), bias=bias.float())
            return
        self.layers.append(Layer("affine", {"scale": scale.tolist(), "shift": shift.tolist()}))


def _weighted(module: nn.Module, x: list[int], y: list[int]) -> Layer:
    """A convolution either way, or a dense layer, from images of shape x to images of shape y."""
    assert isinstance(module, _WEIGHTED)
    weight = module.weight.detach()
    if isinstance(module, nn.Linear):
        if x[1:] != [1, 1] or y[1:] != [1, 1]:
            raise _Unknown("a Linear of something that is not flat")
        options: dict[str, Any] = {"big": x, "small": y, "size": 1, "stride": 1, "pad": 0}
        kind = "gather"
    else:
        sizes = [*module.kernel_size, *module.stride, *module.padding, *module.dilation]
        square = all(isinstance(n, int) for n in sizes) and all(a == b for a, b in zip(sizes[::2], sizes[1::2]))  # noqa: B905
        if not square or module.groups != 1 or module.dilation != (1, 1) or module.padding_mode != "zeros":
            raise _Unknown(str(module))
        kind = "scatter" if isinstance(module, nn.ConvTranspose2d) else "gather"
        big, small = (y, x) if kind == "scatter" else (x, y)
        options = {"big": big, "small": small, "size": sizes[0], "stride": sizes[2], "pad": sizes[4]}
    bias = torch.zeros(y[0]) if module.bias is None else module.bias.detach()
    return Layer(kind, options, weight.reshape(len(weight), -1), bias)


def _shape(batch: Tensor) -> list[int]:
    """(channels, height, width) of each of a batch."""
    return [*batch.shape[1:], *[1] * (4 - batch.ndim)]
