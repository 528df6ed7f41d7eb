"""Errors that a user can cause, and mend: each is one line that says what was wrong, what was expected, what to do."""


class UserError(ValueError):
    """Wrong input. The command line prints the message alone and exits with code 2; from Python it is a ValueError."""


class MissingFile(UserError, FileNotFoundError):
    """A file or folder that was named and is not there."""

    __str__ = Exception.__str__  # OSError's own would print "[Errno ...]"
