"""Which code this is, for what it leaves behind to say."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).parents[2]


@cache
def code_version() -> str:
    """Such as "fooling-gan 0.1.0, commit 1a2b3c4d5e6f": the commit where the package runs from its own checkout, with
    "-dirty" behind it where files differ from it."""
    name = "fooling-gan"
    with suppress(PackageNotFoundError):
        name = f"{name} {version(name)}"
    commit = _commit()
    return f"{name}, commit {commit}" if commit else name


def _commit() -> str | None:
    if not (_ROOT / ".git").exists():  # installed, perhaps below somebody else's checkout
        return None
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):  # no git here, or it does not trust the folder's owner
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return None
