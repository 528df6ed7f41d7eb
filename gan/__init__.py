"""Generative adversarial networks: a generator learns to fool a discriminator, which learns to tell."""

from importlib import import_module
from typing import Any

# Where each public name lives. They are imported when first asked for, so that `import gan` costs nothing.
_HOMES = {
    "Generator": "gan.networks",
    "Discriminator": "gan.networks",
    "draw_latents": "gan.latent",
    "NonSaturating": "gan.losses",
    "RelativisticPairing": "gan.losses",
    "ZeroCentered": "gan.penalties",
    "ExponentialMovingAverage": "gan.ema",
    "discriminator_step": "gan.steps",
    "generator_step": "gan.steps",
    "interpolate": "gan.latent",
    "walk": "gan.latent",
    "TrainConfig": "gan.config",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gan' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
