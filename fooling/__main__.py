"""fooling VERB: the command line. `accelerate launch -m fooling VERB` is the same verb on many processes."""

import sys

from fooling import cli

VERBS = {
    "train": ("fooling.classifiers.train:train", "train a classifier, or go on with a run"),
    "trick": ("fooling.verbs.trick:trick", "draw something meaningless that the network takes for a class"),
    "morph": ("fooling.verbs.morph:morph", "nudge a real image until the network takes it for another class"),
    "explain": (
        "fooling.verbs.explain:explain",
        "show what the network sees in an image, and what it looks for in all",
    ),
    "evolve": ("fooling.verbs.evolve:evolve", "breed an image for every class without looking at a gradient"),
    "audit": ("fooling.audit.audit:audit", "attack any classifier afresh, in every way, and report"),
    "harden": ("fooling.teach.harden:harden", "teach a classifier what is nothing, and fool it afresh"),
}


def main(argv: list[str] | None = None) -> int:
    return cli.main("fooling", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
