"""Configurations check themselves, also when they are made from Python."""

import math
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, get_type_hints

import numpy as np
import pytest

import fooling.__main__
import gan.__main__
from fooling import UserError
from fooling.audit.audit import AuditConfig
from fooling.classifiers.load import InputConfig
from fooling.data.load import DataConfig
from fooling.options.settings import Settings
from fooling.options.table import config_class_of
from fooling.options.types import group_of
from fooling.run.tracking import WandbConfig
from fooling.teach.harden import HardenConfig
from fooling.verbs.trick import TrickConfig
from gan.config import GeneratorConfig, OptimizerConfig, TrainConfig

WRONG = {
    "normalization must be batch or none, got 'layer'": lambda: GeneratorConfig(normalization="layer"),
    "got 'mnits': did you mean mnist?": lambda: DataConfig(name="mnits"),
    "channels must be 1 or 3, got True": lambda: DataConfig(channels=True),
    "width must be a whole number, got '32'": lambda: GeneratorConfig(width="32"),
    "width must be a whole number, got 32.0": lambda: GeneratorConfig(width=32.0),
    "width must be a whole number, got True": lambda: GeneratorConfig(width=True),
    "width must be a whole number, got np.int64(32)": lambda: GeneratorConfig(width=np.int64(32)),
    "learning_rate must be a number, got np.float64(0.5)": lambda: OptimizerConfig(learning_rate=np.float64(0.5)),
    "learning_rate must be a number, got '1e-3'": lambda: OptimizerConfig(learning_rate="1e-3"),
    "beta1 must be a number, got False": lambda: OptimizerConfig(beta1=False),
    "kimg must be a number, got nan": lambda: TrainConfig(kimg=math.nan),
    "kimg must be above 0, got -1.0": lambda: TrainConfig(kimg=-1),
    "name must be text, got nothing": lambda: TrainConfig(name=None),
    "output must be text, got Posi": lambda: TrainConfig(output=Path("runs")),
    "data must be a DataConfig, got 'mnist'": lambda: TrainConfig(data="mnist"),
    "tags must be a list of text, got 'a'": lambda: WandbConfig(tags="a"),
    "each of tags must be text, got 1": lambda: WandbConfig(tags=["a", 1]),
    "each of shape must be a whole number, got 1.5": lambda: InputConfig(shape=[1, 1.5]),
    "shape must be a list of whole numbers, got 28": lambda: InputConfig(shape=28),
    "each of others must be mnist, ": lambda: AuditConfig(models=["lenet"], others=["mnits"]),
    "start must be noise, smooth, black, grey or white": lambda: TrickConfig(start=3),
    "--source is for --through": lambda: TrickConfig(source=7),
    "leave out --start and --parametrization": lambda: TrickConfig(through="runs/mnist", start="grey"),
    "from_scratch must be true or false, got 1": lambda: HardenConfig(from_scratch=1),
}


@pytest.mark.parametrize("says", WRONG)
def test_what_is_of_another_type_is_refused_at_once_in_one_line(says):
    with pytest.raises(UserError) as error:
        WRONG[says]()
    assert says in str(error.value) and "\n" not in str(error.value)


def test_what_is_of_the_type_is_taken():
    config = TrainConfig(kimg=3, threads=None, penalty=TrainConfig().penalty)
    assert config.kimg == 3 and type(config.kimg) is float  # as a file or a command line would say it
    assert InputConfig(shape=(1, 28, 28), range=(0, 255)) == InputConfig(shape=[1, 28, 28], range=[0.0, 255.0])


def test_what_is_set_later_is_checked_too():
    config = TrainConfig()
    config.data.image_size = 64
    with pytest.raises(UserError, match="mixed_precision must be"):
        config.mixed_precision = "fp8"
    with pytest.raises(UserError, match="TrainConfig has no setting 'batchsize': did you mean batch_size"):
        config.batchsize = 32
    assert config == TrainConfig(data=DataConfig(image_size=64))


def test_types_are_checked_before_limits():
    @dataclass
    class Own(Settings):
        mood: Literal["calm", "wild"] = "calm"
        sizes: list[int] = field(default_factory=list)

        def __post_init__(self) -> None:
            assert self.mood in ("calm", "wild")

    with pytest.raises(UserError, match="mood must be calm or wild, got 'claim': did you mean calm"):
        Own(mood="claim")


def every_config_class():
    def below(config_class):
        yield config_class
        for hint in get_type_hints(config_class).values():
            if (group := group_of(hint)) is not None:
                yield from below(group)

    for verb in [*fooling.__main__.VERBS.values(), *gan.__main__.VERBS.values()]:
        module, name = verb.target.split(":")
        config_class = config_class_of(getattr(import_module(module), name))
        yield from below(config_class) if config_class else ()


@pytest.mark.parametrize("config_class", sorted(set(every_config_class()), key=str), ids=lambda c: c.__qualname__)
def test_every_configuration_of_every_verb_checks_itself(config_class):
    assert is_dataclass(config_class) and issubclass(config_class, Settings)
    made = object.__new__(config_class)
    for one in fields(config_class):
        with pytest.raises(UserError, match=f"{one.name} must be "):
            setattr(made, one.name, object())
