"""Generative adversarial networks: a generator learns to fool a discriminator, which learns to tell."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# What __getattr__ gives out below, for editors and type checkers, which do not run it.
# fmt: off
# isort: off
if TYPE_CHECKING:
    __version__: str

    from gan.networks import Generator as Generator, Discriminator as Discriminator
    from gan.latent import draw_latents as draw_latents, interpolate as interpolate, walk as walk
    from gan.losses import NonSaturating as NonSaturating, RelativisticPairing as RelativisticPairing
    from gan.penalties import ZeroCentered as ZeroCentered
    from gan.ema import ExponentialMovingAverage as ExponentialMovingAverage
    from gan.steps import discriminator_step as discriminator_step, generator_step as generator_step
    from gan.config import TrainConfig as TrainConfig
    from gan.draws import Draws as Draws
    from gan.training import train as train
# isort: on
# fmt: on

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
    "Draws": "gan.draws",
    "train": "gan.training",
}
__all__ = list(_HOMES)


if not TYPE_CHECKING:  # which would take every misspelt name for Any

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return import_module("fooling").__version__
        if name not in _HOMES:
            raise AttributeError(f"module 'gan' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
