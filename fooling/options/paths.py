"""Paths that a person gives: home folders filled in, and refused in one line where no file can ever be."""

from __future__ import annotations

import os
from pathlib import Path

from fooling.errors import UserError

_LONGEST = 255  # bytes of a name, on every file system that is in use


def path_of(said: str | os.PathLike[str]) -> Path:
    """The path, with ~ filled in; whether something is there is for the caller to see.

    Raises UserError for one that cannot be looked at: of a user that there is not, with a name that is too long or
    holds a NUL, through a loop of links, or behind a folder that is closed to us. Python's own
    `exists()` would raise, each version something else.
    """
    try:
        path = Path(said).expanduser()
    except RuntimeError as error:
        raise UserError(f"{said}: there is no such home folder, write the path out") from error
    if too_long := [part for part in path.parts if len(part.encode(errors="surrogateescape")) > _LONGEST]:
        raise UserError(f"{too_long[0][:40]}... is no name for a file or folder: it has more than {_LONGEST} bytes")
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise UserError(f"cannot reach {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{str(path)!r} is no path: {error}") from error
    return path
