"""Generative adversarial networks: a generator learns to fool a discriminator, which learns to tell."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# What __getattr__ gives out below, for editors and type checkers, which do not run it.
# fmt: off
# isort: off
if TYPE_CHECKING:
    __version__: str

    from gan.config import TrainConfig as TrainConfig
    from gan.training import train as train
    from gan.networks import Generator as Generator, Discriminator as Discriminator
    from gan.networks.discriminator import Verdict as Verdict
    from gan.losses import (
        Hinge as Hinge, LeastSquares as LeastSquares, NonSaturating as NonSaturating,
        RelativisticPairing as RelativisticPairing, Saturating as Saturating, Wasserstein as Wasserstein,
    )
    from gan.penalties import (
        DRAGAN as DRAGAN, R1 as R1, R2 as R2, WassersteinGradient as WassersteinGradient,
        ZeroCentered as ZeroCentered,
    )
    from gan.class_losses import Classes as Classes, FeatureMatching as FeatureMatching
    from gan.draws import Draws as Draws
    from gan.steps import discriminator_step as discriminator_step, generator_step as generator_step
    from gan.ema import ExponentialMovingAverage as ExponentialMovingAverage
    from gan.latent import (
        class_means as class_means, combine as combine, draw_latents as draw_latents, interpolate as interpolate,
        rotate as rotate, shift as shift, walk as walk,
    )
    from gan.inversion import invert as invert
    from gan.metrics.ruler import Ruler as Ruler
    from gan.metrics.report import Report as Report
# isort: on
# fmt: on

# Where each public name lives. They are imported when first asked for, so that `import gan` costs nothing.
_HOMES = {
    "TrainConfig": "gan.config",
    "train": "gan.training",
    **dict.fromkeys(("Generator", "Discriminator"), "gan.networks"),
    "Verdict": "gan.networks.discriminator",
    **dict.fromkeys(
        ("Hinge", "LeastSquares", "NonSaturating", "RelativisticPairing", "Saturating", "Wasserstein"), "gan.losses"
    ),
    **dict.fromkeys(("DRAGAN", "R1", "R2", "WassersteinGradient", "ZeroCentered"), "gan.penalties"),
    **dict.fromkeys(("Classes", "FeatureMatching"), "gan.class_losses"),
    "Draws": "gan.draws",
    **dict.fromkeys(("discriminator_step", "generator_step"), "gan.steps"),
    "ExponentialMovingAverage": "gan.ema",
    **dict.fromkeys(("class_means", "combine", "draw_latents", "interpolate", "rotate", "shift", "walk"), "gan.latent"),
    "invert": "gan.inversion",
    "Ruler": "gan.metrics.ruler",
    "Report": "gan.metrics.report",
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
