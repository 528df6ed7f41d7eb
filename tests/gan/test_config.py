import re

import pytest
from conftest import ROOT

from fooling.options.given import parse
from gan.config import TrainConfig
from gan.networks.make import make_discriminator, make_generator

FILES = sorted(
    p
    for p in (ROOT / "configs").glob("*.yaml")
    if re.search("^(generator|discriminator):", p.read_text(), re.M) and not p.stem.startswith("ladder")
)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_shipped_file_parses_and_makes_networks(file):
    config = parse(TrainConfig, ["--config", str(file)])
    assert config.name == file.stem
    colour = config.data.name in ("cifar10", "celeba", "stacked-mnist")
    own = 32 if config.data.name == "cifar10" else 28
    size = {"image_size": config.data.image_size or own, "channels": config.data.channels or (3 if colour else 1)}
    for group in (config.generator, config.discriminator):  # as narrow as they can be, to be quick
        if group.network != "classifier":
            group.width, group.max_width = 2, group.max_width and 4
    make_generator(config.generator, **size, num_classes=10)
    make_discriminator(config.discriminator, **size, num_classes=10)


def test_all_six_are_there():
    names = {f.stem for f in FILES}
    assert {"mnist", "fashion-mnist", "cifar10", "celeba64", "folder64", "debug"} <= names


def test_files_stack_and_arguments_come_last(tmp_path):
    extra = tmp_path / "extra.yaml"
    extra.write_text("batch_size: 32\noptimizer: {learning_rate: 1e-4}\n")
    config = parse(TrainConfig, ["--batch_size", "16", "--config", "debug", "--config", str(extra)])
    assert (config.name, config.batch_size, config.optimizer.learning_rate) == ("debug", 16, 1e-4)


def test_the_printed_configuration_can_be_read_back(tmp_path, capsys):
    from gan.__main__ import main

    told = ["--config", "mnist", "--batch_size", "48"]
    assert main(["train", *told, "--print_config"]) == 0
    file = tmp_path / "printed.yaml"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    assert parse(TrainConfig, ["--config", str(file)]) == parse(TrainConfig, told)


def test_help_explains_every_option(capsys):
    from gan.__main__ import main

    assert main(["train", "--help", "all"]) == 0
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "How long to train, in thousands of images seen by the discriminator." in text
    assert "Length of a latent." in text


def test_the_flags_are_these():
    """Flags grow unnoticed; a new one has to be added here as well, and to be worth it."""
    from dataclasses import fields, is_dataclass

    def count(kind: type) -> int:
        made = kind()
        return sum(
            count(type(getattr(made, f.name))) if is_dataclass(getattr(made, f.name)) else 1 for f in fields(kind)
        )

    assert count(TrainConfig) == 107
