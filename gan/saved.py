"""The generator that a user names: of a run, also while it trains, of a folder of its own, or on the Hub."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fooling.data.load import DataConfig, as_written
from fooling.errors import UserError
from fooling.options.paths import path_of
from fooling.pretrained import HUB
from fooling.run.checkpoints import list_checkpoints
from gan.networks.generator import Generator


@dataclass(frozen=True)
class Saved:
    """A generator, and what is known of it.

    name: what to call what is made of it. data: what it was trained on; None where that is not said. unfinished: words
    on how far it has been trained where that is not to the end, to stand behind a sentence; else empty.
    """

    generator: Generator
    name: str
    data: DataConfig | None = None
    unfinished: str = ""


def open_generator(run: str) -> Saved:
    """The generator that `run` names, in evaluation mode: a run's folder, a generator's, or hub:owner/name.

    Raises MissingFile or UserError, in one line, where there is none, or none yet.
    """
    folder = path_of(run)
    if folder.name == "generator" and (folder.parent / "config.yaml").is_file():
        folder = folder.parent  # of a run, which says more of it
    within, settings = folder / "generator", _settings_of(folder)
    name = run.removeprefix(HUB).rpartition("/")[2] if run.startswith(HUB) else folder.resolve().name
    if "generator" not in settings:  # no run of a GAN: the generator's own folder, or one on the Hub
        return Saved(Generator.from_pretrained(within if within.is_dir() else run), name)
    checkpoints = list_checkpoints(folder / "checkpoints")
    if not (within / "config.json").is_file():
        when = "when the same command goes on with it" if checkpoints else "with the first checkpoint"
        raise UserError(f"the run {folder} has no generator yet: it is written {when}")
    kimg = settings.get("kimg")
    total = round(kimg * 1000) if isinstance(kimg, (int, float)) and math.isfinite(kimg) else 0
    seen = int(checkpoints[0].name) if checkpoints else total
    unfinished = f", from an unfinished run: {seen / 1000:.3g} of {total / 1000:g} kimg" if seen < total else ""
    data = None
    with suppress(UserError, KeyError, TypeError, ValueError):  # another version's: then it has to be said
        data = DataConfig(**as_written(settings["data"]))
    return Saved(Generator.from_pretrained(within), name, data, unfinished)


def _settings_of(folder: Path) -> dict[str, Any]:
    config = folder / "config.yaml"
    try:
        settings = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {config}: {' '.join(str(error).split())}") from error
    return settings if isinstance(settings, dict) else {}
