"""What the ruler says of generated images: the figures, and in words."""

from __future__ import annotations

from dataclasses import dataclass

from gan.metrics.modes import Modes
from gan.metrics.neighbours import Copying
from gan.metrics.precision_recall import Overlap


@dataclass(frozen=True)
class Report:
    """How good so many images are.

    kind, ruler: the network whose features they were compared in (see Extractor). real: what they were compared with.
    frechet_distance: lower is better. modes: which classes they are of, as that network takes them; None where it knows
        not the data's. label_accuracy: the share of a conditional generator's that it takes for the class that was
        asked for. kernel_distance, inception_score, copying: of a thorough measurement, the last with test images only.
    """

    kind: str
    ruler: str
    real: str
    count: int
    frechet_distance: float
    overlap: Overlap
    modes: Modes | None = None
    label_accuracy: float | None = None
    kernel_distance: float | None = None
    inception_score: float | None = None
    copying: Copying | None = None

    def figures(self) -> dict[str, float]:
        """All that was measured, by the names that logs have: judge_fd, precision ..."""
        found: dict[str, float | None] = {
            f"{self.kind}_fd": self.frechet_distance, f"{self.kind}_kd": self.kernel_distance,
            f"{self.kind}_is": self.inception_score, **vars(self.overlap), "label_accuracy": self.label_accuracy,
        }  # fmt: skip
        if self.modes is not None:
            found |= {"classes_met": self.modes.count, "class_kl": self.modes.divergence}
            found |= {"class_shift": self.modes.moved}
        if self.copying is not None:
            found |= {"nearest_ratio": self.copying.ratio, "nearest_share": self.copying.share}
        return {name: float(value) for name, value in found.items() if value is not None}

    @property
    def words(self) -> str:
        """Such as "judge FD 13.6, precision 0.82, recall 0.94, density 0.70, coverage 0.80, 10 of 10 classes"."""
        words = [f"{self.kind} FD {self.frechet_distance:.3g}"]
        words += [f"{name} {share:.2f}" for name, share in vars(self.overlap).items()]
        words += [f"{self.modes.count:,} of {self.modes.of:,} classes"] if self.modes is not None else []
        return ", ".join(words)
