"""Verbs are functions: their arguments are the options, and a user's mistake is one line and exit code 2."""

from dataclasses import dataclass, field

import pytest

from fooling import cli
from fooling.errors import MissingFile, Stopped, UserError
from gan.__main__ import VERBS, main

calls = []


def shout(word: str, times: int = 1, loud: bool = False) -> str:
    """Say a word.

    Args:
        word: What to say.
        times: How often.
        loud: Whether in capitals.
    """
    calls.append((word, times, loud))
    return word


@dataclass
class Inner:
    """The inner settings."""

    size: int = 3
    """How large."""

    def __post_init__(self) -> None:
        if self.size < 0:
            raise UserError(f"size must not be negative, got {self.size}")


@dataclass
class Settings:
    """All settings."""

    name: str = "x"
    """What it is called."""

    rate: float = 0.5
    """How fast."""

    inner: Inner = field(default_factory=Inner)
    """The rest."""


def build(settings: Settings) -> None:
    """Build it."""
    calls.append(settings)


def fail(how: str) -> None:
    """Fail in some way."""
    raise {
        "user": UserError("the cup is empty: fill it"),
        "file": MissingFile("no such cup: /cup"),
        "stop": Stopped("stopped: run it again to go on", 15),
        "interrupt": KeyboardInterrupt(),
        "bug": RuntimeError("a bug"),
    }[how]


EXAMPLES = {verb: (f"{__name__}:{verb}", f"to {verb}") for verb in ("shout", "build", "fail")}


@pytest.fixture
def run(capsys):
    """Run a command; gives its exit code, output and errors, and what it called."""
    calls.clear()

    def run(*argv, verbs=EXAMPLES):
        code = cli.main("example", verbs, [str(a) for a in argv])
        return code, *capsys.readouterr()

    return run


def test_a_functions_parameters_are_the_options(run):
    assert run("shout", "hello", "--times", 3, "--loud", "true")[0] == 0
    assert run("shout", "--times=2", "bye")[0] == 0
    assert calls == [("hello", 3, True), ("bye", 2, False)]


def test_a_dataclass_is_its_fields_and_files_stack_under_arguments(run, tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\nrate: 1e-3\ninner: {size: 7}\n")
    (tmp_path / "b.yaml").write_text("name: b\n")
    files = ["--config", tmp_path / "a.yaml", "--config", tmp_path / "b.yaml"]
    assert run("build", *files, "--inner.size", 8)[0] == 0
    assert calls == [Settings(name="b", rate=1e-3, inner=Inner(size=8))]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["shuot"], "unknown verb 'shuot': expected one of shout, build, fail"),
        (["shout"], "word"),
        (["shout", "a", "b"], "b"),
        (["shout", "a", "--times", "often"], '"times": Expected a int. Got value: often'),
        (["shout", "a", "--tmies", "2"], "--tmies"),
        (["build", "--inner.szie", "2"], "--inner.szie"),
        (["build", "--rate", "fast"], "rate"),
        (["build", "--inner.size", "-1"], "size must not be negative, got -1"),
        (["build", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["build", "--config", "typo.yaml"], "szie"),
        (["build", "--config", "impossible.yaml"], "size must not be negative, got -5"),
        (["build", "--config", "broken.yaml"], "onfig"),
        (["build", "--config", "list.yaml"], "onfig"),
        (["build", "--config", "."], "onfig"),
        (["fail", "user"], "the cup is empty: fill it"),
        (["fail", "file"], "no such cup: /cup"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(argv, says, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.yaml").write_text("inner: {szie: 2}\n")
    (tmp_path / "impossible.yaml").write_text("inner: {size: -5}\n")
    (tmp_path / "broken.yaml").write_text("name: [\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    code, out, err = run(*argv)
    assert code == 2 and out == "" and calls == []
    assert err.startswith("error: ") and err.count("\n") == 1 and says in err
    assert err.count("error") == 1


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [("stop", 143, "stopped: run it again to go on\n"), ("interrupt", 130, "interrupted\n")],
)
def test_being_stopped_is_no_error_and_has_the_exit_code_of_its_signal(how, code, says, run):
    assert run("fail", how) == (code, "", says)


def test_a_bug_is_not_passed_off_as_a_users_mistake(run):
    with pytest.raises(RuntimeError, match="a bug"):
        run("fail", "bug")


def test_one_of_many_processes_speaks(run, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run("fail", "user") == (2, "", "")


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_lists_the_verbs(argv, run):
    code, out, _ = run(*argv)
    assert code == (0 if argv else 2)
    assert all(verb in out and f"to {verb}" in out for verb in EXAMPLES)


@pytest.mark.parametrize(
    ("verb", "texts"),
    [("shout", ["What to say", "How often"]), ("build", ["How large", "--inner.size", "What it is called"])],
)
def test_help_of_a_verb_explains_its_options(verb, texts, run, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(verb, "--help")
    out = capsys.readouterr().out
    assert stopped.value.code == 0 and all(text in out for text in texts)


# ---- the gan program


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_gan_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0 and f"gan {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["trian"], "unknown verb 'trian'"),
        (["train", "--data.name", "folder"], "--data.folder"),
        (["train", "--data.name", "folder", "--data.folder", "nowhere"], "no such folder: "),
        (["train", "--data.name", "folder", "--data.folder", "."], "no images in "),
        (["train", "--data.name", "lsun", "--data.root", "data"], "bedroom_train_lmdb"),
        (["train", "--data.chanels", "3"], "chanels"),
        (["train", "--data.channels", "2"], "channels"),
        (["sample", "runs/mnsit"], "no saved Generator in runs/mnsit: config.json is not there"),
        (["sample", "runs/mnsit", "--out", "grid.jpeg"], "--out must name a .png file, got grid.jpeg"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_with_gan_leaves_nothing_behind(argv, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and says in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--out", "file/grid.png"], "cannot write file/grid.png"),
        (["--count", "0"], "count must be a whole number of at least 1, got 0"),
        (["--count", "many"], "count"),
        (["--seed", "1.5"], "seed"),
    ],
    ids=" ".join,
)
def test_a_mistake_in_sampling_is_one_line(options, says, tmp_path, monkeypatch, capsys):
    from gan import Generator

    Generator(width=2).save_pretrained(tmp_path / "saved")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "saved", *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and says in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "saved"]
