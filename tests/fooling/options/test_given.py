"""What files and a command line say, and what comes of it."""

from dataclasses import dataclass, field
from itertools import chain, permutations
from typing import Literal

import pytest
import yaml
from conftest import ROOT

import fooling.__main__
import gan.__main__
from fooling.audit.audit import AuditConfig
from fooling.errors import UserError
from fooling.options.configs import shipped_configs
from fooling.options.given import parse
from fooling.options.settings import Settings
from fooling.teach.harden import HardenConfig
from fooling.verbs.morph import MorphConfig
from gan.config import TrainConfig


@dataclass
class Inner(Settings):
    size: int = 3
    mode: Literal["no", "yes", 1] = "no"


@dataclass
class Outer(Settings):
    rate: float = 0.5
    on: bool = False
    word: str = "x"
    place: str | None = None
    words: list[str] = field(default_factory=lambda: ["a"])
    inner: Inner = field(default_factory=lambda: Inner(size=7))
    maybe: Inner | None = None


def printed(capsys, verb, *arguments, program=gan.__main__):
    assert program.main([verb, *arguments]) == 0
    return capsys.readouterr().out


def test_files_and_options_and_print_config_say_the_same_in_any_order(capsys, tmp_path):
    (tmp_path / "more.yaml").write_text("seed: 5\nkimg: 7\n")
    parts = [["--config", str(tmp_path / "more.yaml")], ["--kimg", "9"], ["--print_config"], ["--penalty.every=2"]]
    said = {printed(capsys, "train", *chain(*order)) for order in permutations(parts)}
    (only,) = said
    told = yaml.safe_load(only)
    assert (told["seed"], told["kimg"], told["penalty"]["every"]) == (5, 9, 2)


def test_what_is_printed_is_read_back_whole(capsys, tmp_path):
    file = tmp_path / "printed.yaml"
    for line in (["--from", "4", "--wandb.tags", "no", "1", "null"], ["--output", "null", "--seed", "-1"]):
        file.write_text(printed(capsys, "morph", *line, "--print_config", program=fooling.__main__))
        assert parse(MorphConfig, ["--config", str(file)]) == parse(MorphConfig, line)


def test_what_is_as_ever_can_be_left_out(capsys):
    out = printed(capsys, "train", "--config", "debug", "--print_config=skip_default")
    shipped = yaml.safe_load((ROOT / "configs" / "debug.yaml").read_text())
    assert yaml.safe_load(out) == shipped


def test_shipped_configurations_are_found_from_anywhere_and_files_come_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(shipped_configs()) == {file.stem for file in (ROOT / "configs").glob("*.yaml")}
    assert parse(TrainConfig, ["--config", "mnist"]).name == "mnist"
    (tmp_path / "debug").mkdir()  # such as a run's folder, which is no file
    assert parse(TrainConfig, ["--config", "debug"]).name == "debug"
    (tmp_path / "mnist").write_text("name: mine")
    assert parse(TrainConfig, ["--config", "mnist"]).name == "mine"
    with pytest.raises(UserError, match="did you mean --config mnist"):
        parse(TrainConfig, ["--config", "mnist.yaml"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate: 1e-3", Outer(rate=0.001)),
        ("rate: 3", Outer(rate=3.0)),
        ("word: no", Outer(word="no")),
        ("word: 1", Outer(word="1")),
        ("word: 2024-01-01", Outer(word="2024-01-01")),
        ("word: 'null'", Outer(word="null")),
        ("place: null", Outer()),
        ("place: ~", Outer()),
        ("place:", Outer()),
        ("on: yes", Outer(on=True)),
        ("on: True", Outer(on=True)),
        ("words: [yes, 1, null]", None),
        ("words: [yes, 1, 'null']", Outer(words=["yes", "1", "null"])),
        ("words: []", Outer(words=[])),
        ("inner: {mode: yes}", Outer(inner=Inner(size=7, mode="yes"))),
        ("inner: {mode: 1}", Outer(inner=Inner(size=7, mode=1))),
        ("maybe: {size: 1}", Outer(maybe=Inner(size=1))),
        ("base: &base {size: 1}\ninner: {<<: *base}", None),
        ("inner: &base {size: 1}\nmaybe: {<<: *base, mode: yes}", Outer(inner=Inner(1), maybe=Inner(1, "yes"))),
        ("", Outer()),
        ("# nothing", Outer()),
    ],
    ids=str,
)
def test_a_value_means_what_its_setting_can_be(text, expected, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    if expected is None:
        with pytest.raises(UserError):
            parse(Outer, ["--config", str(file)])
    else:
        assert parse(Outer, ["--config", str(file)]) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("--rate 1e-3", Outer(rate=0.001)),
        ("--on", Outer(on=True)),
        ("--on --word y", Outer(on=True, word="y")),
        ("--on no", Outer(on=False)),
        ("--on=yes", Outer(on=True)),
        ("--word null --place null", Outer(word="null", place=None)),
        ("--word=", Outer(word="")),
        ("--word -x", Outer(word="-x")),
        ("--inner.size 1e1", Outer(inner=Inner(size=10))),
        ("--inner.mode 1", Outer(inner=Inner(size=7, mode=1))),
        ("--inner {size:_1}", Outer(inner=Inner(size=1))),
        ("--inner inner.yaml --inner.mode yes", Outer(inner=Inner(size=9, mode="yes"))),
        ("--inner.mode yes --inner inner.yaml", Outer(inner=Inner(size=9, mode="yes"))),
        ("--words+ b c", Outer(words=["a", "b", "c"])),
        ("--words b --words c", Outer(words=["c"])),
        ("--config {words:_[x]} --words+ y", Outer(words=["x", "y"])),
        ("--maybe.size 2", Outer(maybe=Inner(size=2))),
    ],
    ids=str,
)
def test_what_is_typed(typed, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner.yaml").write_text("size: 9\n")
    assert parse(Outer, [word.replace(":_", ": ") for word in typed.split(" ")]) == expected


def test_a_group_keeps_what_it_is_set_to_where_it_stands():
    config = parse(HardenConfig, ["--negatives.climbed", "8", "--negatives.others_data.root", "x"])
    assert (config.negatives.others_data.name, config.negatives.others_data.root) == ("fashion-mnist", "x")


def test_what_must_be_given_can_be_named_too():
    assert parse(AuditConfig, ["--models", "a", "b"]) == parse(AuditConfig, ["a", "b"])
