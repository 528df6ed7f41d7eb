"""What the README tells people to type is typed here."""

import re
import shlex
from importlib import import_module

import pytest
from conftest import ROOT

from fooling.options.given import given
from fooling.options.table import options_of

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    shlex.split(command.split("#")[0].replace("\\\n", " "))
    for language, block in BLOCKS
    if language == "bash"
    for line in block.replace("\\\n", " ").splitlines()
    for command in line.split("&&")
    if re.search(r"\b(gan|fooling) [a-z]+ ", command.split("#")[0])
]


def verb_of(command: list[str]) -> tuple[str, str, list[str]]:
    at = next(i for i, word in enumerate(command) if word in ("gan", "fooling"))
    return command[at], command[at + 1], command[at + 2 :]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_is_one_that_there_is(command, monkeypatch):
    from fooling.__main__ import VERBS as FOOLING
    from gan.__main__ import VERBS as GAN

    program, verb, arguments = verb_of(command)
    module, name = {"gan": GAN, "fooling": FOOLING}[program][verb].target.split(":")
    monkeypatch.chdir(ROOT)  # where its configs/ lie
    given(options_of(getattr(import_module(module), name)), arguments)


def test_there_are_commands_to_test():
    assert {verb_of(c)[:2] for c in COMMANDS} >= {("gan", "train"), ("gan", "sample")}


def test_the_examples_in_python_run_as_they_stand(debug_run, tmp_path, monkeypatch):
    examples = [block for language, block in BLOCKS if language == "python" and "generator" in block]
    assert examples
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mnist").symlink_to(debug_run[0])
    monkeypatch.chdir(tmp_path)
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
