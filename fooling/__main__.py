"""fooling VERB: the command line. `accelerate launch -m fooling VERB` is the same verb on many processes."""

import sys

from fooling import cli

VERBS = {
    "train": ("fooling.train:train", "train a classifier, or go on with a run"),
}


def main(argv: list[str] | None = None) -> int:
    return cli.main("fooling", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
