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
    "sheet": cli.Verb(
        "gan.verbs.sheet:sheet",
        "draw a row of samples for every class",
        first=("count", "labels", "seed", "truncation", "model", "data.name", "data.folder", "out"),
    ),
    "walk": cli.Verb("gan.verbs.walk:walk", "film what a generator draws on the way from one image to the next"),
    "arithmetic": cli.Verb(
        "gan.verbs.arithmetic:arithmetic",
        "add and subtract latents: what turns a 7 into a 3",
        first=("from", "to", "strengths", "count", "add", "subtract", "seed", "model", "output", "wandb.mode"),
    ),
    "neighbours": cli.Verb(
        "gan.verbs.neighbours:neighbours",
        "draw what lies around an image, and see how far one can go",
        first=("sample", "degrees", "count", "seed", "model", "output", "wandb.mode"),
    ),
    "invert": cli.Verb(
        "gan.verbs.invert:invert",
        "find the latent that draws a given image",
        first=("image", "negative", "index", "starts", "steps", "seed", "data.name", "output", "wandb.mode"),
    ),
    "playground": cli.Verb(
        "gan.playground.playground:write_playground",
        "write a page in which networks run: draw, fool them, watch a generator draw",
        first=("models", "generator", "output", "open"),
    ),
    "evaluate": cli.Verb(
        "gan.metrics.evaluate:evaluate",
        "measure generators against real images, side by side",
        many_processes=True,
        first=("count", "cas", "ruler", "data.name", "data.folder", "seed", "output", "wandb.mode"),
    ),
    "ladder": cli.Verb(
        "gan.ladder.ladder:ladder",
        "climb from a fooling image to a GAN, and measure every rung",
        many_processes=True,
        first=("name", "rungs", "data.name", "climbs", "samples", "seed", "threads", "wandb.mode"),
    ),
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    return cli.main("gan", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
