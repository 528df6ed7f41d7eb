"""Help, completion and the refusal of mistakes take no torch, and say what they would say with it."""

import json
import resource
import subprocess
import sys

import pytest
from conftest import ROOT

import fooling.__main__
import gan.__main__

PROGRAMS = {"fooling": fooling.__main__, "gan": gan.__main__}
LINES = [
    [program, *line]
    for program, module in PROGRAMS.items()
    for line in [
        *([verb, "--help", "all"] for verb in module.VERBS),
        ["train", "--help"],
        ["--print_completion", "bash"],
    ]
]

WITHOUT_TORCH = """
import contextlib, importlib, io, json, sys
said = []
for program, *line in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert importlib.import_module(f"{program}.__main__").main(line) == 0
    said.append(out.getvalue())
    left = {name.partition(".")[0] for name in sys.modules} & {"torch", "numpy", "accelerate", "PIL", "wandb"}
    assert not left and not {"fooling.run", "fooling.verbs", "gan.training"} & set(sys.modules), left
json.dump(said, sys.stdout)
"""


@pytest.fixture(scope="module")
def without_torch():
    command = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(LINES)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return dict(zip(map(" ".join, LINES), json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_the_text_is_that_of_the_real_modules(line, without_torch, capsys):
    assert "torch" in sys.modules  # so that nothing is replaced here
    assert PROGRAMS[line[0]].main(line[1:]) == 0
    text = capsys.readouterr().out
    assert text == without_torch[" ".join(line)]
    if "--help" in line:
        assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("line", [["gan", "--help"], ["fooling", "trick", "--help"]], ids=" ".join)
def test_help_takes_half_a_second(line):
    taken = []
    while len(taken) < 3 and min(taken, default=1) >= 0.5:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", *line], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 0.5, "seconds of a processor, which others on the machine do not change"


def test_every_option_that_is_shown_first_is_one_and_there_are_ten():
    for program in PROGRAMS.values():
        for verb in program.VERBS.values():
            assert len(verb.first) == len(set(verb.first)) <= 10


def test_a_module_that_needs_what_it_stands_on_is_loaded_with_it(tmp_path):
    (tmp_path / "verbs.py").write_text(
        "import numpy\n"
        "size = int(numpy.zeros(3).sum())\n"
        "def count(to: int = 3 + size) -> None:\n"
        '    """Count."""\n'
        "    print(to, numpy.__name__)\n"
    )
    code = "import sys; from fooling import cli; sys.exit(cli.main('program', {'count': ('verbs:count', 'count')}))"
    for arguments, says in ((["count", "--help"], "--to INT"), (["count", "--to", "5"], "5 numpy")):
        command = [sys.executable, "-c", code, *arguments]
        environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        assert says in done.stdout
