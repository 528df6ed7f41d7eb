"""Verbs on the command line: each is a Python function, and its options are the function's."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import fooling
from fooling.ending import end_in_order, is_out_of_memory, patient_streams
from fooling.errors import Ended, Stopped, UserError
from fooling.options.completion import SHELLS, completion
from fooling.options.given import Given, arguments_of, as_yaml, given
from fooling.options.help import help_of_program, help_of_verb
from fooling.options.light import without_torch
from fooling.options.table import options_of, summary_of
from fooling.options.types import did_you_mean, listed


class Verb(NamedTuple):
    """What a program can be asked to do."""

    target: str
    """The "module:function" that does it, imported only when asked for."""

    help: str
    """A line that says what it does."""

    many_processes: bool = False
    """Whether it shares its work among the processes it is started on. On several, any other verb is refused: they
    would wait for each other for ever, or each write a folder of its own."""

    first: Sequence[str] = ()
    """The options that people use most, which its --help shows; --help all shows all. None named: it shows all."""


def main(program: str, verbs: Mapping[str, Verb | tuple[str, str]], argv: list[str] | None = None) -> int:
    """Run `program VERB ...`, and return its exit code: 2 after an error that the user can mend, said in one line.

    verbs: what there is to ask for; a plain pair is a Verb's first two. The parameters of a verb's function become the
        options, or the fields of its one parameter if that is a dataclass.
    """
    entries = {name: Verb(*entry) for name, entry in verbs.items()}
    return _guarded(lambda: _main(program, entries, sys.argv[1:] if argv is None else argv))


def run(function: Callable[..., Any], argv: list[str] | None = None) -> int:
    """Run a function as a program of its own, whose options are its parameters: `sys.exit(cli.run(function))`."""

    def program() -> int:
        line = _read(Path(sys.argv[0]).name, function, sys.argv[1:] if argv is None else argv)
        if line is not None:
            _perform(function, line)
        return 0

    return _guarded(program)


def _guarded(program: Callable[[], int]) -> int:
    with ExitStack() as host, patient_streams(host) as lost:
        end_in_order(host)
        exit_code = _said(program)
        sys.stdout.flush()
        if exit_code == 0 and lost and lost[0].errno not in (errno.EPIPE, errno.EIO):  # not: nobody reads on
            return _fail(f"cannot write the output: {lost[0].strerror}")
        return exit_code


def _said(program: Callable[[], int]) -> int:
    try:
        return program()
    except UserError as error:
        return _fail(" ".join(filter(None, map(str.strip, str(error).splitlines()))))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _fail(
            "out of memory: try a smaller batch_size, width, image_size or count (micro_batches of gan train keep the"
            f" batch); {' '.join(str(error).split())[:200]}"
        )
    except Stopped as stopped:
        launched = {"TORCHELASTIC_RUN_ID", "ACCELERATE_MIXED_PRECISION"}.intersection(os.environ)
        aside = " (a traceback around this line is the launcher's own)" if launched else ""
        return _say(f"{stopped}{aside}", stopped.exit_code)
    except Ended as ended:
        return _say(f"ended by {signal.Signals(ended.exit_code - 128).name}", ended.exit_code)
    except KeyboardInterrupt:
        return _say("interrupted", 130)


def _main(program: str, verbs: Mapping[str, Verb], argv: Sequence[str]) -> int:
    name, *rest = argv or ["--help"]
    if name in ("-h", "--help", "help"):
        print(help_of_program(program, {verb: entry.help for verb, entry in verbs.items()}))
        return 0 if argv else 2
    if name == "--version":
        print(f"{program} {fooling.__version__}")
        return 0
    if name.partition("=")[0] == "--print_completion":
        return _print_completion(program, verbs, name.partition("=")[2] or "".join(rest[:1]))
    if name not in verbs:
        expected = f"expected one of {', '.join(verbs)}"
        if name.startswith("-"):
            raise UserError(f"{name} stands before any verb: {expected}, and then the options")
        raise UserError(f"unknown verb {name!r}{did_you_mean(name, verbs) or f': {expected}'}")
    verb, command = verbs[name], f"{program} {name}"
    processes = int(os.environ.get("WORLD_SIZE") or 1)  # what torchrun and accelerate launch say
    if processes > 1 and not verb.many_processes:
        raise UserError(
            f"`{command}` cannot share its work among {processes} processes:"
            f" start it on one, as `{command} ...`, without a launcher"
        )
    with _light(verb) as function:  # so that help, and what is wrong, come at once
        line = _read(command, function, rest, verb.first)
    if line is not None:
        module, _, function_name = verb.target.partition(":")
        _perform(getattr(import_module(module), function_name), line)
    return 0


@contextmanager
def _light(verb: Verb) -> Iterator[Callable[..., Any]]:
    """The function of a verb, to read its options."""
    module, _, function_name = verb.target.partition(":")
    with without_torch(module) as light:
        yield getattr(light, function_name)


def _read(command: str, function: Callable[..., Any], argv: Sequence[str], first: Sequence[str] = ()) -> Given | None:
    """What is given for the options of a function; None where its help was asked for, and has been printed."""
    options = options_of(function)
    if asked := {"-h", "--help", "--help=all"}.intersection(argv):
        everything = "--help=all" in asked or list(argv[-2:]) in (["--help", "all"], ["-h", "all"])
        print(help_of_verb(command, summary_of(function), options, () if everything else first))
        return None
    return given(options, argv)


def _perform(function: Callable[..., Any], line: Given) -> None:
    arguments = arguments_of(function, line)
    if line.print_config:
        print(as_yaml(function, arguments, line).rstrip())
    else:
        function(**arguments)


def _print_completion(program: str, verbs: Mapping[str, Verb], shell: str) -> int:
    if shell not in SHELLS:
        raise UserError(f"--print_completion takes {listed(SHELLS)}, got {shell or 'nothing'}")
    options = {}
    for name, verb in verbs.items():
        with _light(verb) as function:
            options[name] = options_of(function)
    print(completion(program, shell, options).rstrip())
    return 0


def _fail(message: str) -> int:
    exit_code = _say(f"error: {message}", 2)
    if not _speaks():  # a launcher ends all processes once one has ended: leave the one that speaks the time to do so
        time.sleep(5)
    return exit_code


def _say(message: str, exit_code: int) -> int:
    if _speaks():
        print(message, file=sys.stderr, flush=True)
    return exit_code


def _speaks() -> bool:
    """Every process has the same to say: the first of each machine does."""
    return int(os.environ.get("LOCAL_RANK", 0)) == 0
