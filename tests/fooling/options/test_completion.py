"""The Tab key completes verbs, options and values."""

import shutil
import subprocess

import pytest

import fooling.__main__
import gan.__main__

ASK = """
_gan() { :; }
eval "$SCRIPT"
COMP_WORDS=($LINE "$WORD") COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete -p gan >&2
_gan_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("gan", "t", {"train"}),
        ("gan", "--v", {"--version"}),
        ("gan train", "--optimizer.beta", {"--optimizer.beta1", "--optimizer.beta2"}),
        ("gan train", "--co", {"--config"}),
        ("gan train --loss", "r", {"relativistic"}),
        ("gan train --kimg 3 --data.name", "mn", {"mnist"}),
        ("gan train --data.skip_broken", "", {"true", "false"}),
        ("gan train --config", "celeb", {"celeba64", "celeba64-residual", "celeba64-sngan"}),
        ("gan train --help", "", {"all"}),
        ("gan train --kimg", "", {""}),
        ("gan sample", "--tr", {"--truncation"}),
        ("gan train", "--tr", {""}),
        ("fooling trick", "--thr", {"--through"}),
        ("fooling trick --through runs/mnist", "--so", {"--source"}),
        ("fooling trick --through", "", {""}),
    ],
    ids=lambda given: given if isinstance(given, str) else " ".join(sorted(given)),  # in the same order in any process
)
def test_bash_completes(line, word, expected, capsys):
    program = line.split()[0]
    assert {"gan": gan, "fooling": fooling}[program].__main__.main(["--print_completion", "bash"]) == 0
    environment = {"SCRIPT": capsys.readouterr().out, "LINE": line, "WORD": word}
    ask = ASK.replace("gan", program)
    done = subprocess.run(["bash", "-c", ask], env=environment, check=True, capture_output=True, text=True)
    assert set(done.stdout.splitlines()) == expected
    assert done.stderr == f"complete -o bashdefault -o default -F _{program}_completion {program}\n"


def test_a_shell_that_it_does_not_know_is_one_line(capsys):
    assert gan.__main__.main(["--print_completion", "tcsh"]) == 2
    assert capsys.readouterr().err == "error: --print_completion takes bash or zsh, got tcsh\n"
