"""fooling VERB: the command line. `accelerate launch -m fooling VERB` is the same verb on many processes."""

import sys

from fooling import cli

VERBS = {
    "train": cli.Verb(
        "fooling.classifiers.train:train", "train a classifier, or go on with a run", many_processes=True
    ),
    "trick": cli.Verb("fooling.verbs.trick:trick", "draw something meaningless that the network takes for a class"),
    "morph": cli.Verb("fooling.verbs.morph:morph", "nudge a real image until the network takes it for another class"),
    "explain": cli.Verb(
        "fooling.verbs.explain:explain",
        "show what the network sees in an image, and what it looks for in all",
    ),
    "evolve": cli.Verb("fooling.verbs.evolve:evolve", "breed an image for every class without looking at a gradient"),
    "audit": cli.Verb("fooling.audit.audit:audit", "attack any classifier afresh, in every way, and report"),
    "harden": cli.Verb(
        "fooling.teach.harden:harden", "teach a classifier what is nothing, and fool it afresh", many_processes=True
    ),
}


def main(argv: list[str] | None = None) -> int:
    return cli.main("fooling", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
