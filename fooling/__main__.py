"""fooling VERB: the command line. `accelerate launch -m fooling VERB` is the same verb on many processes."""

import sys

from fooling import cli

VERBS = {
    "train": cli.Verb(
        "fooling.classifiers.train:train",
        "train a classifier, or go on with a run",
        many_processes=True,
        first=(
            "name", "model", "data.name", "data.folder", "kimg", "batch_size", "learning_rate", "seed", "threads",
            "wandb.mode",
        ),
    ),
    "trick": cli.Verb(
        "fooling.verbs.trick:trick",
        "draw something meaningless that the network takes for a class",
        first=(
            "target", "model", "through", "source", "start", "parametrization", "confidence", "steps", "seed", "output",
        ),
    ),
    "morph": cli.Verb(
        "fooling.verbs.morph:morph",
        "nudge a real image until the network takes it for another class",
        first=(
            "from", "to", "image", "model", "data.name", "confidence", "steps", "step_size", "seed", "output",
        ),
    ),
    "explain": cli.Verb(
        "fooling.verbs.explain:explain",
        "show what the network sees in an image, and what it looks for in all",
        first=(
            "digit", "towards", "image", "model", "data.name", "layer", "step_size", "seed", "output", "wandb.mode",
        ),
    ),
    "evolve": cli.Verb(
        "fooling.verbs.evolve:evolve",
        "breed an image for every class without looking at a gradient",
        first=(
            "encoding", "model", "confidence", "evaluations", "data.name", "input.shape", "input.range", "seed",
            "output", "wandb.mode",
        ),
    ),
    "audit": cli.Verb(
        "fooling.audit.audit:audit",
        "attack any classifier afresh, in every way, and report",
        first=(
            "thorough", "data.name", "data.folder", "others", "input.shape", "input.range", "input.mean", "input.std",
            "seed", "output",
        ),
    ),
    "harden": cli.Verb(
        "fooling.teach.harden:harden",
        "teach a classifier what is nothing, and fool it afresh",
        many_processes=True,
        first=(
            "name", "model", "data.name", "kimg", "rounds", "target", "negatives.climbed", "negatives.noise", "seed",
            "threads",
        ),
    ),
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    return cli.main("fooling", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
