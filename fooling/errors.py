"""Errors that a user can cause, and mend: each is one line that says what was wrong, what was expected, what to do."""


class UserError(ValueError):
    """Wrong input. The command line prints the message alone and exits with code 2; from Python it is a ValueError."""


class MissingFile(UserError, FileNotFoundError):
    """A file or folder that was named and is not there."""

    __str__ = Exception.__str__  # OSError's own would print "[Errno ...]"


class CannotWrite(UserError):
    """A file or folder that cannot be written: the disk is full, or not ours to write on."""


class Stopped(Exception):
    """A run was asked to stop, by Ctrl-C or SIGTERM, and has saved what it needs to go on."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP has come while nobody else listened: whoever has files to put away does so on its way out."""

    def __init__(self, signal_number: int):
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


def require_positive(**numbers: float) -> None:
    """Raise UserError naming the first that is not above zero."""
    for name, number in numbers.items():
        if not number > 0:
            raise UserError(f"{name} must be above 0, got {number}")
