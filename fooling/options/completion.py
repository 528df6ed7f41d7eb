"""What makes the Tab key complete verbs, options and values: a script for the shell, which asks no Python for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fooling.options.configs import shipped_configs
from fooling.options.given import OWN_OPTIONS
from fooling.options.table import Option
from fooling.options.types import alternatives, choices_of

SHELLS = ("bash", "zsh")

_SCRIPT = """\
# Completion of {program}: eval "$({program} --print_completion {shell})", for instance in ~/.{shell}rc
{loaded}_{program}_completion() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} verb=${{COMP_WORDS[1]}} words=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        words="{verbs}"
    else
        case "$verb $before" in
{values}
        *)  [[ $word == -* ]] && case $verb in
{options}
            esac ;;
        esac
    fi
    while read -r; do COMPREPLY+=("$REPLY"); done < <(compgen -W "$words" -- "$word")
}}
complete -o bashdefault -o default -F _{program}_completion {program}
"""


def completion(program: str, shell: str, verbs: Mapping[str, Sequence[Option]]) -> str:
    """The script for bash or zsh.

    verbs: the options of each.
    """
    values = {f"{verb} --config": " ".join(shipped_configs()) for verb in verbs}
    values |= {f"{verb} --help": "all" for verb in verbs}
    for verb, options in verbs.items():
        for option in options:
            values[f"{verb} --{option.name}"] = " ".join(map(str, _values(option)))
    names = {verb: [*(option.name for option in options), *OWN_OPTIONS] for verb, options in verbs.items()}
    return _SCRIPT.format(
        program=program,
        shell=shell,
        loaded="autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" * (shell == "zsh"),
        verbs=" ".join([*verbs, "--help", "--version", "--print_completion"]),
        values="\n".join(f'        "{typed}") words="{words}" ;;' for typed, words in values.items() if words),
        options="\n".join(
            f'            {verb}) words="{" ".join(f"--{name}" for name in names)}" ;;' for verb, names in names.items()
        ),
    )


def _values(option: Option) -> Sequence[object]:
    return ("true", "false") if bool in alternatives(option.hint) else choices_of(option.hint)
