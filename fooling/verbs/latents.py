"""What `fooling trick --through GENERATOR` climbs: the latents of a generator, in place of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fooling.classifiers.frozen import frozen, logits_of, probabilities
from fooling.classifiers.judge import score_judge, trained_judge
from fooling.classifiers.load import InputConfig, open_classifier
from fooling.classifiers.networks import class_names, input_shape_of, num_classes_of
from fooling.climb.criteria import Confident
from fooling.climb.objectives import Logit, LogProbability
from fooling.climb.parametrizations import Parametrization
from fooling.climb.restarts import ascend_from
from fooling.climb.second_opinion import AskedIf, AskedOf
from fooling.climb.through import Shell, labels_for
from fooling.data.load import DataConfig
from fooling.errors import UserError
from fooling.images import Images
from fooling.show.layout import with_article
from fooling.verbs.arguments import fits

_DRAWN, _TRIES = 300, 8  # latents among which starts are looked for, and starts at most
_NEAR = 60.0  # degrees that a source's latent is turned at most; as many climbs arrive as with none, fewer with 45
_KEPT = 0.9  # how sure the second network must be in the end that the image still is what it was


@dataclass(frozen=True)
class Way:
    """A climb to come.

    what: what it begins as. start: of one image. how: what else story_of is to be told.
    others: networks that are asked on the way, besides the one that is climbed, by what names them.
    """

    what: str
    start: Parametrization
    how: dict[str, Any]
    others: dict[str, nn.Module] = field(default_factory=dict)


def towards(target: int | Tensor, confidence: float) -> dict[str, Any]:
    """How `ascend` is to climb to the target, a class for all or one for each: up the logit, which from a latent
    arrives more often than the log-probability."""
    return {"objective": Logit(target), "until": confidence}


def away_from(source: int | Tensor, target: int | Tensor, other: nn.Module, confidence: float) -> dict[str, Any]:
    """How `ascend` is to climb to where the classifier sees the target and the other network still the source, classes
    for all or one for each (Song et al. 2018, arXiv:1805.07894, equations 2 and 4)."""
    return {
        "objective": LogProbability(target) + AskedOf(other, LogProbability(source)),
        "until": Confident(target, confidence) & AskedIf(other, Confident(source, _KEPT)),
        "step": "momentum",  # it is a narrow place to get to, and longer steps get past it
        "step_size": 0.1,
    }


def to_the_target(
    classifier: nn.Module, generator: nn.Module, target: int, confidence: float, steps: int, seed: int, **step: Any
) -> Way:
    """From something that the generator draws and the classifier does not take for the target class, to what it does.

    Of up to eight starts it is the first from which the climb arrives. A generator with classes is told to draw the
    target; then it begins with those of its images of which the classifier is least sure.

    Raises UserError where all that a generator without classes draws is of the target class.
    """
    label = labels_for(generator, target)
    pool, images = _drawn(generator, label, seed)
    said = probabilities(classifier, images)
    numbers = said[:, target].argsort(stable=True)
    if label is None:
        numbers = (said.argmax(1) != target).nonzero()[:, 0]
    if not len(numbers):
        raise UserError(f"all that the generator draws is class {target} to the network: choose another --target")
    how = {**towards(target, confidence), "steps": steps, **step}
    return Way("a drawing of the generator's", _first_to_arrive(classifier, pool, numbers, how), how)


def away_from_the_source(
    classifier: nn.Module,
    other: tuple[str, nn.Module],
    generator: nn.Module,
    source: int,
    target: int,
    confidence: float,
    steps: int,
    seed: int,
    names: Sequence[str],
    **step: Any,
) -> Way:
    """From something of the source class to what the classifier takes for the target, while the other network goes on
    to see the source in it, not far from where it began.

    other: it, and what names it. names: what the classes are called.
    Raises UserError where the generator draws nothing of which both say that it is of the source class.
    """
    name, network = other
    pool, images = _drawn(generator, labels_for(generator, source), seed)
    both = (logits_of(classifier, images).argmax(1) == source) & (logits_of(network, images).argmax(1) == source)
    if not both.any():
        raise UserError(f"of {_DRAWN} drawings of the generator's none is class {source} to the network and to {name}")
    how = {**away_from(source, target, network, confidence), "steps": steps, **step}
    with frozen(network):
        start = _first_to_arrive(classifier, pool, both.nonzero()[:, 0], how, within=_NEAR)
    return Way(f"{with_article(names[source])} of the generator's", start, how, {name: network})


def _drawn(generator: nn.Module, label: int | None, seed: int) -> tuple[Shell, Tensor]:
    """Latents, and their images."""
    pool = Shell.noise(generator, _DRAWN, labels=label, seed=seed)
    with frozen(generator) as device, torch.no_grad():
        return pool, pool.image_fn(pool.params.to(device)).float().cpu()


def _first_to_arrive(
    classifier: nn.Module, pool: Shell, numbers: Tensor, how: Mapping[str, Any], within: float | None = None
) -> Shell:
    """Of the pool's latents of these numbers, the first from which the climb arrives, or came nearest to it."""
    starts = [
        Shell(pool.generator, pool.params[n : n + 1], pool.labels, within=within) for n in numbers[:_TRIES].tolist()
    ]
    _, came_from = ascend_from(classifier, starts=starts, **how)
    return starts[int(came_from)]


def second_network(name: str | None, model: str, classifier: nn.Module) -> tuple[str, nn.Module]:
    """The network that is to go on seeing the source, and what names it.

    name: as for --model. Default: harden, or lenet where harden is the one that is climbed.
    Raises UserError where it is the one that is climbed, or knows other images or classes.
    """
    name, is_ours = name or ("lenet" if model == "harden" else "harden"), name is None
    if name == model:
        raise UserError(f"{name} is the network that is climbed: name another with --auxiliary")
    other = open_classifier(name, InputConfig(shape=list(input_shape_of(classifier))))
    know = [(input_shape_of(n), num_classes_of(n)) for n in (classifier, other)]
    called = [class_names(n)[: num_classes_of(n)] for n in (classifier, other)]
    if know[0] != know[1] or (is_ours and called[0] != called[1]):
        raise UserError(f"{name} knows other images or classes than {model}: name a network like it with --auxiliary")
    return name, other


def judgement(image: Tensor, classifier: nn.Module, data: Images | None, config: DataConfig) -> Tensor | None:
    """What the judge of the data, which is trained on first use, says of an image (c, h, w): probabilities (classes,).

    None where the data is not at hand, has no labels or is not the classifier's.
    """
    if not fits(data, classifier) or data.labels is None:
        return None
    judge = trained_judge(config)
    score = score_judge(judge, config)
    if score is not None and score.warning:
        print(score.warning)
    return probabilities(judge, image[None])[0]
