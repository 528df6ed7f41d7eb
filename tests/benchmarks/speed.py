"""Images per second of our training step against the PyTorch example's: same networks, size, batch and cores, in turns.

    python tests/benchmarks/speed.py [--threads 2] [--rounds 5]

Both train the reference networks at 64 pixels, width 64, batch 128. Ours runs as `gan train` runs it: data in memory,
bfloat16 where the processor has it, channels last, fused Adam, one generator pass for both steps, the figures logged.
Also printed: where our step's time goes, and how far its convolutions are from the fastest that this machine does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from statistics import median

import torch
from reference import BATCH, Reference

from fooling import cli
from fooling.data.load import load
from fooling.run.run import Run
from gan.config import DiscriminatorConfig, GeneratorConfig, OptimizerConfig, PenaltyConfig, TrainConfig
from gan.training import Gan


def main(threads: int = 2, rounds: int = 5, steps: int = 6) -> None:
    """Print images per second of both, their ratio, and a profile of ours.

    Args:
        threads: CPU threads of either.
        rounds: How often they take turns.
        steps: Training steps in a turn.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        config = TrainConfig(
            output=folder, threads=threads, batch_size=BATCH, loss="non-saturating",
            generator=GeneratorConfig(latent_dim=100, width=64), penalty=PenaltyConfig(gamma=0),
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

        ratios, speeds = [], {"ours": [], "reference": []}
        for step in (our_step, reference.step):
            step()
        for _ in range(rounds):
            for name, step in (("ours", our_step), ("reference", reference.step)):
                started = time.perf_counter()
                for _ in range(steps):
                    step()
                speeds[name].append(steps * BATCH / (time.perf_counter() - started))
            ratios.append(speeds["ours"][-1] / speeds["reference"][-1])
        for name, values in speeds.items():
            print(f"{name}: {median(values):.1f} images/s (from {min(values):.1f} to {max(values):.1f})")
        print(
            f"ours / reference: {median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f}), {threads} threads"
        )
        profile(our_step)
        peak(ours)


def profile(step) -> None:
    """Where our step's time goes, by kind of operator, of the operators' own time."""
    kinds = {
        "convolutions": ("convolution",), "batch normalisation": ("batch_norm",), "optimiser": ("adam",),
        "average": ("lerp",), "copies and casts": ("copy", "_to_copy", "index", "cat", "contiguous"),
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
