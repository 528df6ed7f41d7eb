"""gan VERB: the command line. `accelerate launch -m gan VERB` is the same verb on many processes."""

import sys

from fooling import cli

VERBS = {
    "train": cli.Verb(
        "gan.training:train",
        "train a generator against a discriminator, or go on with a run",
        many_processes=True,
        first=(
            "name", "data.name", "data.folder", "data.image_size", "kimg", "batch_size", "optimizer.learning_rate",
            "seed", "threads", "wandb.mode",
        ),
    ),
    "sample": cli.Verb("gan.sample:sample", "draw images from a trained generator"),
    "walk": cli.Verb("gan.verbs.walk:walk", "film what a generator draws on the way from one image to the next"),
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    return cli.main("gan", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
