"""What was found of a rung, kept in its folder: measuring takes a minute, and need not be done twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fooling.files import write_whole

_FILE = "measured.safetensors"
_PRODUCTS = ("classifier/model.safetensors", "generator/model.safetensors")


@dataclass
class Found:
    """What was measured of a critic, and of its generator where it has one.

    climbs: float (classes, c, h, w), where climbs to each class from always the same noise end, and noise: that.
    samples: as many of its generator, one that the judge takes for each class; None without one. figures: by name,
    shares from 0 to 1.
    """

    climbs: Tensor
    noise: Tensor
    samples: Tensor | None
    figures: dict[str, float] = field(default_factory=dict)


def keep(found: Found, folder: Path, how: dict[str, Any]) -> None:
    """Write it into a rung's folder. how: what it was measured by, JSON-serialisable."""
    tensors = {"climbs": found.climbs, "noise": found.noise}
    tensors |= {} if found.samples is None else {"samples": found.samples}
    said = {"figures": json.dumps(found.figures), "how": _said(folder, how)}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_whole(folder / _FILE, lambda path: save_file(tensors, path, metadata=said))


def kept(folder: Path, how: dict[str, Any]) -> Found | None:
    """What was kept in a rung's folder; None where nothing was, or of other networks, or measured in another way."""
    try:
        with safe_open(folder / _FILE, "pt") as file:
            names = file.keys()
            said, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError):
        return None
    if said.get("how") != _said(folder, how):
        return None
    return Found(tensors["climbs"], tensors["noise"], tensors.get("samples"), json.loads(said["figures"]))


def _said(folder: Path, how: dict[str, Any]) -> str:
    weights = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _PRODUCTS if (folder / name).exists()
    }
    return json.dumps({"weights": weights, **how}, sort_keys=True)
