"""Images per CPU second: noise changed until a classifier is 99 % sure, by us and by five attack libraries, in turns.

    pip install foolbox adversarial-robustness-toolbox cleverhans captum && pip install --no-deps torchattacks
    python tests/benchmarks/attack_speed.py [--rounds 5] [--tune_peers true]

All take the same LeNet, the same 1,000 uniform-noise images and random targets, the box [0, 1] and one thread. The goal
is a softmax probability of 99 % for the target. Two settings of each library are timed:

default   as the library ships it, the ball as wide as its tutorial has it; the goal may be missed.
tuned     the fastest found (--tune_peers true searches) with which every image gets there: step rule, step size,
          number of steps, batch size; without random start and checks, the network's weights frozen for it beforehand.

Ours is timed at its defaults and tuned as well. The floor is what the forward and backward passes of our steps would
cost on their own, with nothing wasted on images that have arrived and nothing spent on anything else. All run in one
process, so the memory that ours has the C library keep (fooling/classifiers/cpu_speed.py) speeds up the others as well.
"""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rows import Row, keep
from torch import Tensor, nn

from fooling import LeNet, LogProbability, Pixels, ascend, cli, trained_classifier
from fooling.classifiers.frozen import frozen

warnings.simplefilter("ignore")
COUNT, GOAL, WIDE = 1000, 0.99, 1e3  # WIDE: a ball that holds nothing back


@dataclass(frozen=True)
class Setting:
    """How a library is used: `rule` is linf, l2 or momentum, the kind of step it takes."""

    rule: str
    step_size: float
    steps: int
    batch: int
    ball: float = WIDE
    random_start: bool = False


def foolbox(network: nn.Module, images: Tensor, targets: Tensor, setting: Setting) -> Tensor:
    import foolbox as fb

    attacks = {
        "linf": fb.attacks.LinfProjectedGradientDescentAttack,
        "l2": fb.attacks.L2ProjectedGradientDescentAttack,
        "momentum": fb.attacks.LinfMomentumIterativeFastGradientMethod,
    }
    attack = attacks[setting.rule](
        abs_stepsize=setting.step_size, steps=setting.steps, random_start=setting.random_start
    )
    model = fb.PyTorchModel(network, bounds=(0, 1))
    made = [
        attack.run(model, x, fb.criteria.TargetedMisclassification(t), epsilon=setting.ball)
        for x, t in zip(images.split(setting.batch), targets.split(setting.batch), strict=True)
    ]
    return torch.cat(made)


def art(network: nn.Module, images: Tensor, targets: Tensor, setting: Setting) -> Tensor:
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        network, nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu"
    )
    attack = ProjectedGradientDescentPyTorch(
        classifier, norm=2 if setting.rule == "l2" else np.inf, eps=setting.ball, eps_step=setting.step_size,
        max_iter=setting.steps, targeted=True, batch_size=setting.batch, verbose=False,
        decay=0.9 if setting.rule == "momentum" else None,
    )  # fmt: skip
    return torch.from_numpy(attack.generate(images.numpy(), targets.numpy()))


def torchattacks(network: nn.Module, images: Tensor, targets: Tensor, setting: Setting) -> Tensor:
    import torchattacks as ta

    ball, size, steps = setting.ball, setting.step_size, setting.steps
    attack = {
        "linf": lambda: ta.PGD(network, ball, size, steps, setting.random_start),
        "l2": lambda: ta.PGDL2(network, ball, size, steps, setting.random_start),
        "momentum": lambda: ta.MIFGSM(network, ball, size, steps, decay=0.9),
    }[setting.rule]()
    attack.set_mode_targeted_by_label(quiet=True)
    return torch.cat(
        [attack(x, t) for x, t in zip(images.split(setting.batch), targets.split(setting.batch), strict=True)]
    )


def cleverhans(network: nn.Module, images: Tensor, targets: Tensor, setting: Setting) -> Tensor:
    from cleverhans.torch.attacks.projected_gradient_descent import projected_gradient_descent

    made = [
        projected_gradient_descent(
            network, x, setting.ball, setting.step_size, setting.steps, 2 if setting.rule == "l2" else np.inf,
            clip_min=0.0, clip_max=1.0, y=t, targeted=True, rand_init=setting.random_start, sanity_checks=False,
        )
        for x, t in zip(images.split(setting.batch), targets.split(setting.batch), strict=True)
    ]  # fmt: skip
    return torch.cat(made).detach()


def captum(network: nn.Module, images: Tensor, targets: Tensor, setting: Setting) -> Tensor:
    from captum.robust import PGD

    attack = PGD(network, nn.CrossEntropyLoss(reduction="none"), lower_bound=0, upper_bound=1)
    made = [
        attack.perturb(
            x, setting.ball, setting.step_size, setting.steps, t, targeted=True, random_start=setting.random_start,
            norm="L2" if setting.rule == "l2" else "Linf",
        )
        for x, t in zip(images.split(setting.batch), targets.split(setting.batch), strict=True)
    ]  # fmt: skip
    return torch.cat(made).detach()


Attack = Callable[[nn.Module, Tensor, Tensor, Setting], Tensor]
PEERS: dict[Attack, tuple[str, ...]] = {
    foolbox: ("linf", "l2", "momentum"),
    art: ("linf", "l2", "momentum"),
    torchattacks: ("linf", "l2", "momentum"),
    cleverhans: ("linf", "l2"),
    captum: ("linf", "l2"),
}
# Where a library leaves a value to its user, it is that of its tutorial.
DEFAULTS = {
    foolbox: Setting("linf", 0.3 / 30, 40, COUNT, ball=0.3, random_start=True),
    art: Setting("linf", 0.1, 100, 32, ball=0.3),
    torchattacks: Setting("linf", 2 / 255, 10, COUNT, ball=8 / 255, random_start=True),
    cleverhans: Setting("linf", 0.01, 40, COUNT, ball=0.3, random_start=True),
    captum: Setting("linf", 0.01, 7, COUNT, ball=0.13),
}
TUNED = {
    foolbox: Setting("l2", 3.0, 9, 100),
    art: Setting("momentum", 0.3, 7, 1000),
    torchattacks: Setting("momentum", 0.3, 7, 500),
    cleverhans: Setting("l2", 3.0, 9, 200),
    captum: Setting("linf", 0.2, 10, 100),
}


def success_of(network: nn.Module, images: Tensor, targets: Tensor) -> float:
    with torch.no_grad():
        said = network(images.clamp(0, 1)).softmax(1).gather(1, targets[:, None])
    return (said >= GOAL).float().mean().item()


def tune(attack: Attack, network: nn.Module, images: Tensor, targets: Tensor) -> Setting:
    """The fastest setting found with which every image reaches the goal: fewest steps first, then the best batch."""
    sizes = {"linf": (0.1, 0.15, 0.2), "l2": (2.0, 3.0, 4.0), "momentum": (0.15, 0.2, 0.3)}
    ours = ascend(network, LogProbability(targets), Pixels(images), until=GOAL)
    hard = ours.steps.argsort(descending=True)[:100]  # what fails here needs no trial on all

    def reaches(setting: Setting, which: Tensor | slice) -> bool:
        return success_of(network, attack(network, images[which], targets[which], setting), targets[which]) == 1

    candidates = (
        Setting(rule, size, steps, 100) for steps in range(5, 30) for rule in PEERS[attack] for size in sizes[rule]
    )
    best = next(s for s in candidates if reaches(s, hard) and reaches(s, slice(None)))
    batches = [replace(best, batch=batch) for batch in (50, 100, 200, 500, COUNT)]
    cost = {s: median(timed(lambda s=s: attack(network, images, targets, s)) for _ in range(3)) for s in batches}
    print(attack.__name__, {s.batch: f"{COUNT / seconds:.0f}" for s, seconds in cost.items()}, flush=True)
    return min(cost, key=cost.get)


def timed(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def floor(network: nn.Module, images: Tensor, steps: Tensor) -> Callable[[], None]:
    """As many forward and backward passes as those steps need, in full chunks and nothing else."""
    forward, backward = int(steps.sum()) + len(steps), int(steps.sum())
    chunk = images[:256]

    def run() -> None:
        with frozen(network):
            for k in range(round(forward / len(chunk))):
                x = chunk.detach().requires_grad_()
                with torch.set_grad_enabled(k < round(backward / len(chunk))):
                    score = network(x).sum()
                if score.requires_grad:
                    torch.autograd.grad(score, x)

    return run


def main(rounds: int = 5, model: str | None = None, tune_peers: bool = False, json: Path | None = None) -> None:
    """Print images per CPU second of each, and the ratios.

    Args:
        rounds: How often they take turns.
        model: A folder with a LeNet. Default: the default classifier.
        tune_peers: Search for each library's fastest setting first, instead of taking those found before.
        json: A file for the rows: ours, tuned, against the bare passes and each tuned peer that succeeds.
    """
    torch.set_num_threads(1)
    network = (LeNet.from_pretrained(model) if model else trained_classifier()).eval()
    start = Pixels.noise(COUNT, seed=0)
    images, targets = start.params, torch.randint(0, 10, (COUNT,), generator=torch.Generator().manual_seed(1))
    objective = LogProbability(targets)
    peers = []
    for attack in PEERS:
        with suppress(ImportError):
            importlib.import_module(attack.__name__)
            peers.append(attack)
    print(
        "libraries:",
        ", ".join(a.__name__ for a in peers),
        "| missing:",
        {a.__name__ for a in PEERS} - {a.__name__ for a in peers},
    )

    network.requires_grad_(False)
    tuned = {attack: tune(attack, network, images, targets) if tune_peers else TUNED[attack] for attack in peers}
    results: dict[str, Tensor] = {}

    def keeping(name: str, call: Callable[[], Tensor]) -> Callable[[], None]:
        return lambda: results.update({name: call()})

    def of_peer(attack: Attack, setting: Setting, freeze: bool) -> Callable[[], Tensor]:
        def run() -> Tensor:
            network.requires_grad_(not freeze)
            network.zero_grad()
            return attack(network, images.clone(), targets, setting)

        return run

    def ours(**settings: object) -> Callable[[], Tensor]:
        return lambda: ascend(network, objective, start, until=GOAL, **settings).images

    best = dict(step="momentum", step_size=0.3)
    steps = ascend(network, objective, start, until=GOAL, **best).steps
    calls = {
        "floor": floor(network, images, steps),
        "ours, tuned": keeping("ours, tuned", ours(**best)),
        "ours, bfloat16": keeping("ours, bfloat16", ours(**best, autocast=torch.bfloat16)),
        "ours, default": keeping("ours, default", ours()),
    }
    for attack in peers:
        for kind, setting in (("tuned", tuned[attack]), ("default", DEFAULTS[attack])):
            name = f"{attack.__name__}, {kind}"
            calls[name] = keeping(name, of_peer(attack, setting, freeze=kind == "tuned"))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(timed(call))

    rate = {name: COUNT / median(values) for name, values in seconds.items()}
    reached = {name: success_of(network, made, targets) for name, made in results.items()}
    print(f"\n{'':<24}{'images / CPU s':>16}{'reach the goal':>16}   setting")
    for name in sorted(rate, key=rate.get, reverse=True):
        library, _, kind = name.partition(", ")
        setting = next(((tuned if kind == "tuned" else DEFAULTS)[a] for a in peers if a.__name__ == library), "")
        share = f"{reached[name]:.1%}" if name in reached else ""
        print(f"{name:<24}{rate[name]:>16.0f}{share:>16}   {setting}")
    for kind, least in (("tuned", 1.0), ("default", 0.99)):
        able = [n for n in rate if n.endswith(kind) and not n.startswith("ours") and reached[n] >= least]
        if able:
            fastest = max(able, key=rate.get)
            ratio = median(p / o for p, o in zip(seconds[fastest], seconds["ours, tuned"], strict=True))
            print(f"\nours tuned is {ratio:.1f} times {fastest}, the fastest {kind} peer that succeeds", end="")
    print(f"\nours tuned runs at {rate['ours, tuned'] / rate['floor']:.0%} of the bare forward and backward passes")
    speeds = {name: [COUNT / spent for spent in values] for name, values in seconds.items()}
    what, ours_tuned = f"noise to 99 %, {COUNT:,} images on a LeNet, one thread", speeds["ours, tuned"]
    able = [name for name in reached if name.endswith("tuned") and not name.startswith("ours") and reached[name] == 1]
    peers_speeds = {"the bare forward and backward passes": speeds["floor"], **{name: speeds[name] for name in able}}
    keep([Row(what, name, "images/CPU s", ours_tuned, values) for name, values in peers_speeds.items()], json)


if __name__ == "__main__":
    sys.exit(cli.run(main))
