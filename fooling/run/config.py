"""What every training run is told, whatever it trains: the settings that each one's own configuration adds to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fooling.errors import UserError, require_positive
from fooling.options.settings import Settings
from fooling.run.tracking import WandbConfig


@dataclass
class RunConfig(Settings):
    """Name, folder, seed, precision, threads, and what is kept how often."""

    name: str = "run"
    """The run's name, and that of its folder below runs/."""

    output: str | None = None
    """The run's folder. Default: runs/NAME."""

    seed: int = 0
    """From which all randomness follows."""

    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    """bf16 computes convolutions in bfloat16; fp16 in float16, for a GPU without bf16. auto: as accelerate was told,
    else what the hardware is made for."""

    threads: int | None = None
    """CPU threads of each process. Default: this machine's cores shared among its processes, and one thread while other
    work keeps them from each other."""

    log_kimg: float = 1.0
    """Thousands of images between lines of metrics.jsonl. Checkpoints have one of their own."""

    checkpoint_kimg: float = 50.0
    """Thousands of images between checkpoints."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Where to watch the run."""

    def __post_init__(self) -> None:
        require_positive(
            log_kimg=self.log_kimg,
            checkpoint_kimg=self.checkpoint_kimg,
            threads=1 if self.threads is None else self.threads,
        )
        if self.name in ("", ".", "..") or set(self.name) & set("/\\"):
            raise UserError(f"name must be the name of a folder, got {self.name!r}")
