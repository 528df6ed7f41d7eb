"""Fine-tuning: a training that begins with the networks of an earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from fooling.errors import MissingFile, UserError
from fooling.options.paths import path_of
from fooling.pretrained import Pretrained
from fooling.run.checkpoints import has_whole_checkpoint
from fooling.run.processes import caught, raise_any
from fooling.run.run import Run
from gan.networks.generator import Generator

Weights = dict[str, Tensor]


def begin_with(source: str, generator: Pretrained, discriminator: Pretrained, run: Run) -> None:
    """Give two new networks the weights of an earlier run's, unless this run has a checkpoint to go on from.

    source: a run's folder, a generator's folder, or one on the Hugging Face Hub. The generator is the average that was
        saved; where no discriminator was saved with it, this one stays new.

    Raises MissingFile or UserError, on every process, for what is not there or does not fit.
    """

    def load() -> tuple[Weights, Weights | None] | None:
        if has_whole_checkpoint(run.folder):
            return None
        within, critic = (path_of(source) / name for name in ("generator", "discriminator"))
        weights = _weights_of(within if within.is_dir() else source, generator, source)
        return weights, _weights_of(critic, discriminator, source) if critic.is_dir() else None

    found, error = caught(load) if run.is_main else (None, None)
    raise_any(run.processes.tell(error))
    found = run.processes.hear_main(found)
    if found is None:
        return
    generator.load_state_dict(found[0])
    if found[1] is None:
        return run.say(f"beginning with the generator of {source}; no discriminator was saved with it: a new one")
    discriminator.load_state_dict(found[1])
    run.say(f"beginning with the generator and the discriminator of {source}")


def _weights_of(place: str | Path, network: Pretrained, source: str) -> Weights:
    try:
        saved = type(network).from_pretrained(place)
    except MissingFile as error:
        raise MissingFile(f"init_from: {error}") from error
    theirs, ours = saved.config, network.config
    if differing := [name for name in ours if theirs.get(name) != ours[name]]:
        said, wanted = (_described({name: config.get(name) for name in differing}) for config in (theirs, ours))
        noun = "generator" if isinstance(network, Generator) else "discriminator"
        raise UserError(f"init_from {source}: its {noun} has {said}, and this run's {wanted}")
    return saved.state_dict()


def _described(settings: dict[str, Any]) -> str:
    return " and ".join(f"{name} {value}" for name, value in settings.items())
