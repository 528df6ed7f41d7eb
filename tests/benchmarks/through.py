"""A generator as the prior of a climb: what comes out, how sure the network is of it, and what it costs.

    python tests/benchmarks/through.py --run runs/mnist
    python tests/benchmarks/through.py --run runs/mnist --tried true        # what else was tried
    python tests/benchmarks/through.py --run runs/mnist --unrestricted true # one digit to the judge, another to it

Run it on one thread, OMP_NUM_THREADS=1: times are of the processor, so that a busy machine changes them little.

The first: for each network, every class as often, from latents that draw another digit to it; in batches of 100. The
last: from latents that draw the source to both networks, every pair of digits as often; the network that is asked for
the source on the way is the other one of lenet and harden, and the judge that counts is neither.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from torch import Tensor, nn

from fooling import cli
from fooling.classifiers.frozen import frozen, predict
from fooling.classifiers.judge import JudgeNet, recognised, trained_judge
from fooling.classifiers.load import trained_classifier
from fooling.climb.ascent import Ascent
from fooling.climb.objectives import Logit, LogProbability, Margin
from fooling.climb.parametrizations import Latent
from fooling.climb.restarts import ascend_from
from fooling.climb.through import Shell, load_generator
from fooling.data.load import DataConfig
from fooling.verbs.latents import away_from

BATCH = 100
NAMES = ("lenet", "harden")


def main(
    run: str = "runs/mnist", count: int = 500, each: int = 4, tried: bool = False, unrestricted: bool = False
) -> None:
    """Print the figures.

    Args:
        run: A run of a generator without classes, trained on MNIST.
        count: Climbs for each row of the first tables.
        each: Starts for each pair of digits of the last.
        tried: The table of what else was tried.
        unrestricted: The table of images that the judge sees as one digit and the network as another.
    """
    generator, judge = load_generator(run), trained_judge(DataConfig())
    for name in NAMES:
        classifier = trained_classifier(name)
        if unrestricted:
            for within in (None, 60.0, 45.0):
                of_two_minds(name, classifier, generator, judge, each, within)
            continue
        pool = latents_elsewhere(classifier, generator, count)
        for what, kind, tries, how in recipes() if tried else [usual()]:
            climb(f"{name}: {what}", classifier, generator, judge, pool, kind, tries, how)


def usual() -> tuple[str, type[Latent], int, dict[str, Any]]:
    return "as trick --through climbs", Shell, 4, {"until": 0.999, "steps": 50}


def recipes() -> list[tuple[str, type[Latent], int, dict[str, Any]]]:
    """What to call each, what is moved, from how many starts at most, and how."""
    adam = {"step": "adam", "step_size": 0.05, "steps": 100, "until": 0.99}
    once = {"steps": 100, "until": 0.999}
    return [
        ("log-probability, Adam .05, free", Latent, 1, {**adam, "objective": LogProbability}),
        ("margin, Adam .05, free", Latent, 1, {**adam, "objective": Margin}),
        ("logit, Adam .05, free", Latent, 1, adam),
        ("logit, Adam .05, on the sphere", Shell, 1, adam),
        *((f"logit, L2 {size:g}, on the sphere", Shell, 1, {**once, "step_size": size}) for size in (0.3, 1.0, 3.0)),
        *(
            (f"the same from up to {n} starts", Shell, n, {"steps": 50, "until": until, "step_size": size})
            for n, until, size in ((4, 0.99, 3.0), (4, 0.999, 3.0), (8, 0.999, 0.5), (8, 0.999, 1.0))
        ),
    ]


def latents_elsewhere(classifier: nn.Module, generator: nn.Module, count: int) -> tuple[Tensor, Tensor]:
    """More than enough latents (n, tries, latent_dim) for each climb, and its target (n,), which none of them draws."""
    pool = Shell.noise(generator, 12 * count, seed=11).params
    read = predict(classifier, draw(generator, pool)).argmax(1)
    targets = torch.arange(count) % 10
    left, chosen = list(range(len(pool))), []
    for target in targets.tolist():
        mine = [n for n in left[:60] if read[n] != target][:8]
        left = [n for n in left if n not in set(mine)]
        chosen.append(pool[mine])
    return torch.stack(chosen), targets


def draw(generator: nn.Module, latents: Tensor) -> Tensor:
    with frozen(generator), torch.no_grad():
        return torch.cat([generator(some) for some in latents.split(250)])


def climb(
    what: str,
    classifier: nn.Module,
    generator: nn.Module,
    judge: JudgeNet,
    pool: tuple[Tensor, Tensor],
    kind: type[Latent],
    tries: int,
    how: dict[str, Any],
) -> None:
    objective, rest = how.get("objective", Logit), {k: v for k, v in how.items() if k != "objective"}
    ends: list[Ascent] = []
    before = time.process_time()
    for latents, targets in zip(pool[0].split(BATCH), pool[1].split(BATCH), strict=True):
        starts = [kind(generator, latents[:, number].clone()) for number in range(tries)]
        ends.append(ascend_from(classifier, objective(targets), starts, progress=False, **rest)[0])
    seconds = (time.process_time() - before) / len(pool[0])
    images, sure = torch.cat([end.images for end in ends]), torch.cat([end.confidences for end in ends])
    seen = recognised(judge, images, pool[1])
    print(
        f"{what}: {(sure >= 0.99).float().mean():.1%} are 99 % the target to the network, the judge recognises"
        f" {seen.float().mean():.1%} (of the former {seen[sure >= 0.99].float().mean():.1%}); {seconds:.3f} s of the"
        f" processor each",
        flush=True,
    )


def of_two_minds(
    name: str, classifier: nn.Module, generator: nn.Module, judge: JudgeNet, each: int, within: float | None
) -> None:
    """From latents that draw the source, to what the judge still sees as it and the classifier as the target; turned by
    so many degrees at most."""
    other = trained_classifier(NAMES[1 - NAMES.index(name)])
    pool = Shell.noise(generator, 400 * each, seed=12).params
    images = draw(generator, pool)
    read = [predict(network, images).argmax(1) for network in (classifier, other)]
    pairs = [(a, b) for a in range(10) for b in range(10) if a != b for _ in range(each)]
    sources, targets = torch.tensor(pairs).T
    agreed = {a: iter(((read[0] == a) & (read[1] == a)).nonzero()[:, 0].tolist()) for a in range(10)}
    start = Shell(generator, pool[[next(agreed[a]) for a, _ in pairs]], within=within)
    before = time.process_time()
    with frozen(other):
        how = away_from(sources, targets, other, 0.99)
        end, _ = ascend_from(classifier, starts=[start], steps=200, chunk=BATCH, progress=False, **how)
    seconds = (time.process_time() - before) / len(pairs)
    said = predict(judge, end.images)
    fooled = (end.confidences >= 0.99) & (said.argmax(1) == sources)
    clearly = fooled & (said.gather(1, sources[:, None])[:, 0] >= 0.9)
    turned = ((end.params * start.params).sum(1) / start.params.shape[1]).clamp(-1, 1).acos().rad2deg()
    arrived, both, surely, pair = (
        f"{part.float().mean():.1%}" for part in (end.success, fooled, clearly, fooled.view(90, each).any(1))
    )
    print(
        f"{name}, at most {within or 180:g} degrees: {arrived} of {len(pairs)} climbs arrive; {both} are 99 % the"
        f" target to the network and the source to the judge ({surely} with 90 %), at least one of {each} for {pair} of"
        f" the pairs; turned by {turned.mean():.0f} degrees; {seconds:.2f} s of the processor each",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
