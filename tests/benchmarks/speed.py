"""Images per second of our training step against the PyTorch example's and torchgan's: same networks, size, batch and
cores, in turns.

    pip install --no-deps torchgan
    python tests/benchmarks/speed.py [--threads 2] [--rounds 5]

Both train the reference networks at 64 pixels, width 64, batch 128. Ours runs as `gan train` runs it: data in memory,
bfloat16 where the processor has it, channels last, fused Adam, one generator pass for both steps, the figures logged.
mimicry and lightning-bolts are not among the peers: at its import the one asks for TensorFlow and scikit-image, the
other for a Lightning below 2. Also printed: where our step's time goes, and how far its convolutions are from the
fastest that this machine does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median

import torch
from reference import BATCH, Reference, endless
from rows import HEADING, in_turns, keep

from fooling import cli
from fooling.data.load import load
from fooling.run.run import Run
from gan.config import DiscriminatorConfig, GeneratorConfig, OptimizerConfig, PenaltyConfig, TrainConfig
from gan.training import Gan


def main(
    threads: int = 2, rounds: int = 5, steps: int = 6, mixed_precision: str = "auto", json: Path | None = None
) -> None:
    """Print images per second of both, their ratio, and a profile of ours.

    Args:
        threads: CPU threads of either.
        rounds: How often they take turns.
        steps: Training steps in a turn.
        mixed_precision: In which numbers ours computes; the peers do in float32.
        json: A file for the rows.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        config = TrainConfig(
            output=folder, threads=threads, batch_size=BATCH, loss="non-saturating",
            mixed_precision=mixed_precision, penalty=PenaltyConfig(gamma=0),
            generator=GeneratorConfig(latent_dim=100, width=64),
            discriminator=DiscriminatorConfig(width=64, normalization="batch"),
            optimizer=OptimizerConfig(learning_rate=2e-4, beta1=0.5, beta2=0.999),
        )  # fmt: skip
        config.data.image_size = 64
        data = load()
        ours = Gan(config, stack.enter_context(Run(config, total_images=10**6, product="none")), load(image_size=64))
        reference = Reference(data)

        def our_step() -> None:
            figures = ours.step()
            ours.run.images_seen += BATCH
            torch.stack(list(figures.values())).tolist()

        def ours_often() -> None:
            for _ in range(steps):
                our_step()

        peers = {"PyTorch's DCGAN example": lambda: [reference.step() for _ in range(steps)]}
        with suppress(ImportError):
            torchgan = Torchgan(reference)
            peers["torchgan"] = lambda: [torchgan.step() for _ in range(steps)]
        print(HEADING)
        what = f"a GAN's training step, 64 pixels, width 64, batch {BATCH}, threads: {threads}"
        keep(in_turns(what, steps * BATCH, "images/s", ours_often, peers, rounds=rounds), json)
        profile(our_step)
        peak(ours)


class Torchgan:
    """The example's networks, data and optimisers under torchgan's losses, which make the steps of its Trainer."""

    def __init__(self, reference: Reference):
        from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss

        self.batches = endless(reference.loader)
        self.players = reference.generator, reference.discriminator
        self.optimizers = reference.optimizers
        for player in self.players:
            player.label_type, player.encoding_dims = "none", 100
        self.losses = MinimaxDiscriminatorLoss(), MinimaxGeneratorLoss()

    def step(self) -> None:
        reals, (d_optimizer, g_optimizer) = (next(self.batches) + 1) / 2, self.optimizers
        self.losses[0].train_ops(*self.players, d_optimizer, reals, torch.device("cpu"))
        self.losses[1].train_ops(*self.players, g_optimizer, torch.device("cpu"), len(reals))


def profile(step) -> None:
    """Where our step's time goes, by kind of operator, of the operators' own time."""
    kinds = {
        "convolutions": ("convolution",), "matrix products": ("::mm", "addmm"), "optimiser": ("adam",),
        "batch normalisation": ("batch_norm",), "average": ("lerp",),
        "copies and casts": ("copy", "_to_copy", "index", "cat", "contiguous"),
    }  # fmt: skip
    with torch.profiler.profile() as profiler:
        for _ in range(3):
            step()
    times: dict[str, float] = {}
    for event in profiler.key_averages():
        kind = next((k for k, parts in kinds.items() if any(p in event.key.lower() for p in parts)), "rest")
        times[kind] = times.get(kind, 0) + event.self_cpu_time_total
    total = sum(times.values())
    shares = sorted(times.items(), key=lambda item: -item[1])
    print("where the time goes: " + ", ".join(f"{kind} {share / total:.0%}" for kind, share in shares))


def peak(gan: Gan) -> None:
    """Our step's convolution arithmetic per second, against the best of single convolutions, forward alone."""
    convolutions, floats = [], 0
    hooks = [
        m.register_forward_hook(lambda m, i, o: convolutions.append((m, i[0].shape, o.shape)))
        for network in (gan.generator, gan.discriminator)
        for m in network.modules()
        if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        gan.discriminator(gan.generator(torch.randn(BATCH, 100)))
    for hook in hooks:
        hook.remove()
    best, seconds = 0.0, []
    precision = gan.run.precision.autocast
    for module, inputs, outputs in convolutions:
        pixels = inputs if isinstance(module, torch.nn.ConvTranspose2d) else outputs
        work = 2 * module.weight.numel() * pixels[0] * pixels[2] * pixels[3]
        # D: on reals and fakes, each forward and backward to weights and input; then once more to the input for G,
        # which goes forward once and back to weights and input. The first D layer needs no gradient for its images.
        floats += work * (8 if isinstance(module, torch.nn.Conv2d) else 3)
        images = torch.randn(inputs).contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), precision():
            images = images.to(torch.bfloat16) if gan.run.precision.is_bf16 else images
            module(images)
            started = time.perf_counter()
            for _ in range(5):
                module(images)
        best = max(best, work * 5 / (time.perf_counter() - started))
    for _ in range(5):
        started = time.perf_counter()
        gan.step()
        seconds.append(time.perf_counter() - started)
    rate = floats / median(seconds)
    print(f"our step does {rate / 1e9:.0f} Gflop/s of convolutions; the fastest single one does {best / 1e9:.0f}"
          f" ({rate / best:.0%})")  # fmt: skip


if __name__ == "__main__":
    sys.exit(cli.run(main))
