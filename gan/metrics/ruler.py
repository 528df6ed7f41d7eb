"""The ruler: how good generated images are next to real ones, in the features of a named network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fooling.errors import UserError, require_positive
from fooling.options.settings import Settings

Kind = Literal["auto", "judge", "inception"]


@dataclass
class MetricsConfig(Settings):
    """How good the samples are, measured along the way on the averaged generator."""

    kimg: float = 100.0
    """Thousands of images between measurements; 0 makes none, and then the last generator counts as the best."""

    count: int = 5000
    """Samples in a measurement; figures of other counts cannot be compared."""

    ruler: Kind = "auto"
    """Whose features images are compared in: judge, a classifier of the data set; or inception, for photographs. auto:
    inception for cifar10, stl10 and images without labels, else the judge."""

    def __post_init__(self) -> None:
        if self.kimg < 0:
            raise UserError(f"metrics.kimg must be at least 0, got {self.kimg}")
        require_positive(**{"metrics.count": self.count})
