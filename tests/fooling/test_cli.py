"""Verbs are functions: their arguments are the options, and a user's mistake is one line and exit code 2."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal, get_type_hints

import pytest

import fooling.__main__
from fooling import cli
from fooling.classifiers.load import InputConfig
from fooling.cli import Verb
from fooling.errors import MissingFile, Stopped, UserError
from gan.__main__ import VERBS, main

PROGRAMS = {"fooling": fooling.__main__.VERBS, "gan": VERBS}

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

    mood: Literal["calm", "no"] = "calm"
    """In which mood."""

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


EXAMPLES = {verb: Verb(f"{__name__}:{verb}", f"to {verb}") for verb in ("shout", "build", "fail")}


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
        (["shuot"], "unknown verb 'shuot': did you mean shout?"),
        (["dance"], "unknown verb 'dance': expected one of shout, build, fail"),
        (["--config", "a.yaml"], "--config stands before any verb: expected one of shout, build, fail"),
        (["shout"], "word must be given: What to say."),
        (["shout", "a", "b"], "'b' belongs to no option"),
        (["shout", "a", "--times", "often"], "--times must be a whole number, got 'often'"),
        (["shout", "a", "--times"], "--times needs a whole number after it"),
        (["shout", "a", "--times", "2.5"], "--times must be a whole number, got '2.5'"),
        (["shout", "a", "--loud=loudly"], "--loud must be true or false, got 'loudly'"),
        (["shout", "a", "--tmies", "2"], "unknown option --tmies: did you mean --times?"),
        (["shout", "a", "--zzz"], "unknown option --zzz: --help all lists all of them"),
        (["build", "--inner.szie", "2"], "unknown option --inner.szie: did you mean --inner.size?"),
        (["build", "--size", "2"], "unknown option --size: did you mean --inner.size?"),
        (["build", "--in-ner.size", "2"], "did you mean --inner.size?"),
        (["build", "--rate", "fast"], "--rate must be a number, got 'fast'"),
        (["build", "--rate", "nan"], "--rate must be a number, got nan"),
        (["build", "--mood", "calmm"], "--mood must be calm or no, got 'calmm': did you mean calm?"),
        (["build", "--inner", "calm"], "--inner takes a YAML file, and there is no calm"),
        (["build", "--inner.size", "-1"], "size must not be negative, got -1"),
        (["build", "--config"], "--config needs a file after it"),
        (["build", "--config", "nowhere.yaml"], "--config nowhere.yaml is neither a file nor one that ships: those"),
        (["build", "--config", "mnits"], "did you mean --config mnist?"),
        (["build", "mnist"], "'mnist' belongs to no option: did you mean --config mnist?"),
        (["build", "--config", "typo.yaml"], "typo.yaml: unknown setting inner.szie: did you mean inner.size?"),
        (["build", "--config", "elsewhere.yaml"], "elsewhere.yaml: unknown setting size: did you mean inner.size?"),
        (["build", "--config", "unlike.yaml"], "unlike.yaml: unknown setting zzz: known are name, rate, mood, inner"),
        (["build", "--config", "impossible.yaml"], "size must not be negative, got -5"),
        (["build", "--config", "nothing.yaml"], "nothing.yaml: rate must be a number, got nothing"),
        (["build", "--config", "no-group.yaml"], "no-group.yaml: inner must hold settings, such as `name: value`"),
        (
            ["build", "--config", "word.yaml"],
            "word.yaml: inner must hold settings, such as `name: value`, and holds 'x'",
        ),
        (["build", "--config", "twice.yaml"], "twice.yaml, line 2 cannot be read as YAML: name stands there twice"),
        (["build", "--config", "broken.yaml"], "broken.yaml, line 2 cannot be read as YAML"),
        (
            ["build", "--config", "list.yaml"],
            "list.yaml: it must hold settings, such as `name: value`, and holds a list",
        ),
        (["build", "--config", "binary.yaml"], "cannot read binary.yaml: it holds no text"),
        (["build", "--config", "."], "--config . is a folder"),
        (["build", "--print_config=comments"], "--print_config must be all or skip_default, got 'comments'"),
        (["fail", "user"], "the cup is empty: fill it"),
        (["fail", "file"], "no such cup: /cup"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(argv, says, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "typo": "inner: {szie: 2}",
        "elsewhere": "size: 2",
        "unlike": "zzz: 2",
        "impossible": "inner: {size: -5}",
        "nothing": "rate:",
        "no-group": "inner:",
        "word": "inner: x",
        "twice": "{name: a,\n name: b}",
        "broken": "name: [",
        "list": "- 1",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(f"{text}\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
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


def test_what_a_launcher_prints_at_ctrl_c_is_said_to_be_the_launchers(run, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    code, _, err = run("fail", "stop")
    assert code == 143 and err.startswith(
        "stopped: run it again to go on (a traceback around this line is the launcher's own)"
    )


def test_a_bug_is_not_passed_off_as_a_users_mistake(run):
    with pytest.raises(RuntimeError, match="a bug"):
        run("fail", "bug")


def test_one_of_many_processes_speaks(run, monkeypatch):
    """The others wait, lest the launcher that sees them end puts an end to that one before it has spoken."""
    waited = []
    monkeypatch.setattr(cli.time, "sleep", waited.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run("fail", "user") == (2, "", "") and sum(waited) > 1
    monkeypatch.setenv("LOCAL_RANK", "0")
    waited.clear()
    assert run("fail", "user")[2] != "" and waited == []


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_lists_the_verbs(argv, run):
    code, out, _ = run(*argv)
    assert code == (0 if argv else 2)
    assert all(verb in out and f"to {verb}" in out for verb in EXAMPLES)


@pytest.mark.parametrize(
    ("verb", "texts"),
    [("shout", ["What to say", "How often"]), ("build", ["How large", "--inner.size", "What it is called"])],
)
def test_help_of_a_verb_explains_its_options(verb, texts, run):
    code, out, _ = run(verb, "--help")
    assert code == 0 and all(text in out for text in texts)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_loads_no_torch(program):
    code = f"from {program}.__main__ import main; assert main(['--help']) == 0"
    code += "; import sys; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert all(f"  {verb} " in done.stdout for verb in PROGRAMS[program])


# ---- on many processes


@pytest.mark.parametrize(("program", "verb"), [(p, verb) for p in PROGRAMS for verb in PROGRAMS[p]])
def test_what_cannot_share_its_work_is_refused_before_anything_is_read(program, verb, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.main(program, PROGRAMS[program], [verb, "--config", "nowhere.yaml"]) == 2
    refused = (
        f"error: `{program} {verb}` cannot share its work among 2 processes: start it on one, as `{program} {verb} "
    )
    read = "error: --config nowhere.yaml is neither a file nor one that ships"
    assert capsys.readouterr().err.startswith(read if verb in ("train", "harden", "evaluate", "ladder") else refused)


@pytest.mark.parametrize("processes", [None, "", "1"])
def test_one_process_is_not_many(processes, run, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if processes is not None:
        monkeypatch.setenv("WORLD_SIZE", processes)
    assert run("shout", "hello")[0] == 0


@pytest.mark.parametrize(
    ("module", "arguments"), [("fooling", ["trick", "--target", "3"]), ("gan", ["sample", "runs/mnist"])]
)
def test_two_processes_are_refused_at_once_in_one_line_with_nothing_written(module, arguments, commands):
    done = commands.run(module, *arguments, processes=2)
    assert done.returncode != 0
    assert done.stderr.count(f"error: `{module} {arguments[0]}` cannot share its work among 2 processes") == 1
    assert list(commands.folder.iterdir()) == []


# ---- list options


@pytest.fixture
def parsed(monkeypatch, capsys):
    """What the function of a verb of `fooling` is told by a line of arguments; None after a mistake."""

    def parsed(verb, *argv):
        module, name = fooling.__main__.VERBS[verb].target.split(":")
        told = []

        def catch(config):
            told.append(config)

        (hint, *_) = get_type_hints(getattr(import_module(module), name)).values()
        catch.__annotations__ = {"config": hint}
        with monkeypatch.context() as patched:
            patched.setattr(import_module(module), name, catch)
            code = fooling.__main__.main([verb, *argv])
        assert code == (0 if told else 2)
        return told[0] if told else None

    return parsed


WORDS = [
    "1",
    "2.5",
    "1e-3",
    "yes",
    "null",
    "~",
    "#3",
    "a,b",
    "a: b",
    "[draft] x",
    "{x}",
    "it's",
    '"',
    "\\",
    "",
    " x ",
    "-x",
    "é",
    "🙂",
]


@pytest.mark.parametrize("words", [*([word] for word in WORDS), WORDS], ids=str)
def test_words_of_a_list_stay_what_was_typed(words, parsed):
    assert parsed("trick", "--wandb.tags", *words).wandb.tags == words
    assert parsed("train", "--wandb.tags", *words, "--seed", "3").wandb.tags == words
    assert parsed("audit", "lenet", "--wandb.tags", *words).wandb.tags == words
    if len(words) == 1:
        assert parsed("trick", f"--wandb.tags={words[0]}").wandb.tags == words
    if words != ["-x"]:
        assert parsed("audit", *(word for word in words if word != "-x")).models == [w for w in words if w != "-x"]


LISTS = {
    ("explain", "towards"): (["5", "8"], [5, 8]),
    ("trick", "input.shape"): (["1", "28", "28"], [1, 28, 28]),
    ("trick", "input.range"): (["-1", "1"], [-1.0, 1.0]),
    ("trick", "input.mean"): ([".5", "1e-1", "2"], [0.5, 0.1, 2.0]),
    ("trick", "input.std"): (["0.5"], [0.5]),
    ("audit lenet", "input.shape"): (["1", "28", "28"], [1, 28, 28]),
    ("audit lenet", "shape"): (["1", "28", "28"], [1, 28, 28]),  # older names of what is in input now
    ("audit lenet", "range"): (["0", "255"], [0.0, 255.0]),
    ("audit lenet", "mean"): (["0.1"], [0.1]),
    ("audit lenet", "std"): (["0.1", "2e-1"], [0.1, 0.2]),
    ("audit lenet", "others"): (["mnist"], ["mnist"]),
    ("harden --negatives.climbed 32", "negatives.kinds"): (["uniform", "flat"], ["uniform", "flat"]),
    ("morph", "wandb.tags"): (["a", "b"], ["a", "b"]),
}


@pytest.mark.parametrize(("verb", "option"), LISTS, ids=str)
def test_a_list_can_be_typed_as_values_or_as_a_list(verb, option, parsed):
    typed, expected = LISTS[verb, option]
    written = f"[{','.join(typed)}]"
    ways = [[f"--{option}", *typed], [f"--{option}", written], [f"--{option}={written}"]]
    for way in [*ways, *([[f"--{option}={typed[0]}"]] if len(typed) == 1 else [])]:
        value = parsed(*verb.split(), *way)
        for name in (f"input.{option}" if option in vars(InputConfig()) else option).split("."):
            value = getattr(value, name)
        assert repr(value) == repr(expected)


def test_an_option_with_an_equals_sign_takes_one_value(parsed, capsys):
    assert parsed("audit", "--others=mnist", "lenet", "softmax").models == ["lenet", "softmax"]
    assert parsed("trick", "--wandb.tags=a", "b") is None and "'b' belongs to no option" in capsys.readouterr().err


def test_models_may_stand_before_and_between_the_options(parsed):
    told = parsed("audit", "1", "--seed", "3", "yes", "--others=kmnist", "a,b")
    assert told.models == ["1", "yes", "a,b"] and told.seed == 3 and told.others == ["kmnist"]


def test_no_list_where_none_is_needed_can_be_said(parsed):
    assert parsed("trick", "--input.shape", "null").input.shape is None


@pytest.mark.parametrize(
    "argv",
    [["--towards", "x"], ["--towards"], ["--towards", "5", "[8]"], ["--towards", "5,", "8"], ["--wandb.tags"]],
    ids=str,
)
def test_a_list_of_nonsense_is_one_line(argv, parsed, capsys):
    assert parsed("explain", *argv) is None
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1


# ---- the gan program


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_gan_has_help(verb, capsys):
    assert main([verb, "--help"]) == 0 and f"gan {verb}" in capsys.readouterr().out


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


def test_what_a_terminal_cannot_show_is_no_reason_to_stop():
    """A pipe on Windows has an encoding without thin spaces, which stand before a per cent sign."""
    program = "import sys\nfrom fooling import cli\ndef say(): print('99\u2009%')\nsys.exit(cli.run(say, []))"
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, b"99?%")
