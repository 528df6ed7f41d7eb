"""What every mistake comes to: exit code 2, one line that names the thing, no traceback, and nothing left behind."""

import re
from pathlib import Path

import fooling.__main__
import gan.__main__

PROGRAMS = {"fooling": fooling.__main__, "gan": gan.__main__}


def listing(folder: Path) -> dict[str, tuple]:
    """Everything below a folder, with the size and the time of change of its files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(folder))] = () if path.is_dir() else (stat.st_size, stat.st_mtime_ns)
    return found


def complaint(command: list, folder: Path, capsys) -> str:
    """What is wrong with how a command that starts in `folder`, the current one, is refused; nothing if all is well.
    Of the line itself `said` gives what it is. An exception passes through: it is the traceback that users see."""
    program, *arguments = map(str, command)
    before = listing(folder)
    code = PROGRAMS[program].main(arguments)
    err = capsys.readouterr().err
    wrong = []
    if code != 2:
        wrong.append(f"exit code {code}")
    if not re.fullmatch(r"error: [^\n]+\n", err):
        wrong.append(f"said {err!r}")
    if "Traceback" in err or "Error:" in err.partition("error: ")[0]:
        wrong.append("a traceback")
    if left := {name for name in listing(folder).items() ^ before.items()}:
        wrong.append(f"left {sorted(name for name, _ in left)}")
    complaint.said = err.removeprefix("error: ").rstrip("\n")
    return "; ".join(wrong)


def refused(command: list, folder: Path, capsys, names: str) -> None:
    """Assert that a command is refused as it should be, by a line in which the pattern `names` is found."""
    wrong = complaint(command, folder, capsys)
    assert not wrong, f"{command}: {wrong}"
    assert re.search(names, complaint.said), f"{command} said: {complaint.said}"
