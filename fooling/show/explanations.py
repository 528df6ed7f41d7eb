"""What a classifier sees, as data: weight maps, mistakes, filters, input gradients, nudges, confused images.

Every function leaves the classifier as it found it (parameters, .grad, modes) and returns tensors on the CPU;
fooling/show/figures.py draws them. The questions are those of Falcon and Canziani 2020, "Looking inside the black
box", and Bruner, "Tricking a neural network tells us a lot about how machines (and humans) reason".
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fooling.classifiers.activations import watched
from fooling.classifiers.frozen import check_fit, frozen, logits_of, probabilities
from fooling.classifiers.networks import input_shape_of
from fooling.climb.ascent import ascend
from fooling.climb.objectives import Channel
from fooling.climb.parametrizations import Pixels
from fooling.climb.per_image import check_target
from fooling.errors import UserError
from fooling.seeds import seed_of

_CHUNK = 256  # images whose activations fit comfortably into memory
_HALVINGS = 8  # of a step that overshoots, at most


@dataclass(frozen=True)
class Mistakes:
    """Images that a classifier gets wrong, the most confident mistake first.

    images (n, c, h, w); labels and predictions int64 (n,); confidences (n,), the probability of the wrong answer.
    wrong, total: how many images are wrong, out of how many, of which these n are a part.
    """

    images: Tensor
    labels: Tensor
    predictions: Tensor
    confidences: Tensor
    wrong: int
    total: int


@dataclass(frozen=True)
class Gradients:
    """What would make images more of a class: maps (n, k, c, h, w) = d logit / d pixel, of classes int64 (n, k).

    images (n, c, h, w) and their probabilities (n, all classes).
    """

    images: Tensor
    probabilities: Tensor
    classes: Tensor
    maps: Tensor


@dataclass(frozen=True)
class Nudges:
    """Images before and after one step towards each of several classes, each of which makes its class more probable.

    gradients: of the classes' logits, with the images before. directions (n, k, c, h, w): what the steps follow, which
    is those gradients, but for the steps that are `beside` them, bool (n, k): these follow the gradient of the class's
    log-probability, because what raises its logit raises another's more. moved (n, k, c, h, w): the images after the
    step, clipped to [0, 1], and their probabilities (n, k, all classes).
    """

    gradients: Gradients
    directions: Tensor
    beside: Tensor
    moved: Tensor
    probabilities: Tensor


@dataclass(frozen=True)
class Confused:
    """Images between two classes, the closest first, and one step out of the doubt towards either.

    indices int64 (n,): which of the given images they are. labels int64 (n,), or None where not known.
    gaps (n,): the difference of the two highest logits. nudges: towards the highest and the second highest class.
    """

    indices: Tensor
    labels: Tensor | None
    gaps: Tensor
    nudges: Nudges


@dataclass(frozen=True)
class Filters:
    """What the channels of one layer look for, f of them.

    layer: its name. channels: which of its channels these are. image (c, h, w): the image they look at here.
    weights (f, c, kh, kw): the filters themselves, where the layer is a convolution of images, else None.
    activations: what they make of the image after ReLU, (f, h', w') or, in a dense layer, (f,).
    exciting (f, c, h, w): for each an image that excites it strongly, found by climbing from noise.
    """

    layer: str
    channels: list[int]
    image: Tensor
    weights: Tensor | None
    activations: Tensor
    exciting: Tensor


def input_gradients(classifier: nn.Module, images: Tensor, classes: Tensor | Sequence[int]) -> Gradients:
    """The gradient of chosen logits with respect to each image by itself (Simonyan et al. 2013, section 3).

    images: (n, c, h, w) in [0, 1].
    classes: k of them for all images, or int64 (n, k) of each image's own.
    Raises UserError for a class that the classifier does not have, and for images that it does not take.
    """
    return _gradients(classifier, images, classes, lambda logits: logits)


def _gradients(
    classifier: nn.Module, images: Tensor, classes: Tensor | Sequence[int], scores: Callable[[Tensor], Tensor]
) -> Gradients:
    """The gradients of the classes' scores, which are made of all logits (n, classes), as input_gradients has them."""
    check_fit(classifier, images)
    logits, maps = [], []
    with torch.inference_mode(False), torch.enable_grad(), frozen(classifier) as device:
        classes = torch.as_tensor(classes if isinstance(classes, Tensor) else list(classes)).long().cpu().clone()
        classes = classes.expand(len(images), -1) if classes.ndim == 1 else classes
        for part, wanted in zip(images.split(_CHUNK), classes.split(_CHUNK), strict=True):
            pixels = part.detach().clone().to(device).requires_grad_()
            out = classifier(pixels).float()
            check_target(wanted, out.shape[1])
            # The sum over images is harmless: in evaluation mode no image's logit depends on another image.
            sums = scores(out).gather(1, wanted.to(out.device)).sum(0)
            maps.append(torch.stack([torch.autograd.grad(s, pixels, retain_graph=True)[0].cpu() for s in sums], 1))
            logits.append(out.detach().cpu())
    return Gradients(images.detach().cpu(), torch.cat(logits).softmax(1), classes, torch.cat(maps))


def weight_maps(classifier: nn.Module, shape: Sequence[int] | None = None) -> Tensor:
    """The weights of a linear classifier as images (classes, c, h, w): for which pixels each class speaks.

    shape: (c, h, w) of its images. Default: the classifier's own input_shape.
    They are read off as input gradients, which for a linear map are the weights, whatever way it is written down;
    raises UserError if the classifier is not linear, because then there is no such thing as its weight map.
    """
    shape = tuple(shape or input_shape_of(classifier))
    black, noise = torch.zeros(1, *shape), Pixels.noise(1, shape=shape).params
    ends, middle = logits_of(classifier, torch.cat([black, noise])), logits_of(classifier, noise / 2)[0]
    if not torch.allclose(ends.mean(0), middle, rtol=0, atol=1e-4 * ends.abs().max().item()):
        raise UserError(
            f"{type(classifier).__name__} is not linear, so it has no weight maps: look at its input gradients instead"
        )
    return input_gradients(classifier, black, range(len(middle))).maps[0]


def mistakes(classifier: nn.Module, images: Tensor, labels: Tensor, count: int = 25) -> Mistakes:
    """The `count` mistakes on images (n, c, h, w) with labels (n,) of which the classifier is most certain."""
    confidences, predictions = probabilities(classifier, images).max(1)
    labels = labels.cpu()
    wrong = (predictions != labels).nonzero()[:, 0]
    shown = wrong[confidences[wrong].argsort(descending=True)][:count]
    return Mistakes(
        images[shown].cpu(), labels[shown], predictions[shown], confidences[shown], wrong=len(wrong), total=len(images)
    )


def nudge(classifier: nn.Module, images: Tensor, classes: Tensor | Sequence[int], step: float = 0.05) -> Nudges:
    """One step from images (n, c, h, w) towards each of `classes` (see input_gradients).

    step: what the gradient's standard deviation becomes, in units of the full range from black to white. Where such a
        step would make the class less probable, which is that it overshoots, the best of shorter ones is taken.
    """
    gradients = input_gradients(classifier, images, classes)
    each = gradients.classes.shape[1]
    before = gradients.images.repeat_interleave(each, 0)
    wanted, directions = gradients.classes.flatten()[:, None], gradients.maps.flatten(0, 1).clone()

    def stepped(which: Tensor, size: float) -> tuple[Tensor, Tensor]:
        """Those images after a step of that size, and their probabilities."""
        maps = directions[which]
        deviation = (maps - maps.mean((1, 2, 3), keepdim=True)).square().mean((1, 2, 3), keepdim=True).sqrt()
        moved = (before[which] + size * maps / (deviation + 1e-12)).clamp(0, 1)
        return moved, probabilities(classifier, moved)

    was = gradients.probabilities.gather(1, gradients.classes).flatten()
    beside = torch.zeros(len(before), dtype=torch.bool)
    moved, after = stepped(torch.arange(len(before)), step)

    def not_helped() -> Tensor:
        return ((after.gather(1, wanted)[:, 0] <= was) & (was < 1)).nonzero()[:, 0]

    for logs in (False, True):
        if len(low := not_helped()) and logs:
            directions[low] = _gradients(classifier, before[low], wanted[low], lambda out: out.log_softmax(1)).maps[
                :, 0
            ]
            beside[low] = True
        if len(low):
            tries = [stepped(low, step / 2**halvings) for halvings in range(_HALVINGS)]
            best = torch.stack([p.gather(1, wanted[low])[:, 0] for _, p in tries]).argmax(0), torch.arange(len(low))
            moved[low], after[low] = (torch.stack(part)[best] for part in zip(*tries, strict=True))
    stays = not_helped()  # nothing helps there: it is at a peak, or all that would help is clipped
    moved[stays] = before[stays]
    after[stays] = gradients.probabilities.repeat_interleave(each, 0)[stays]
    shape = gradients.classes.shape
    return Nudges(gradients, *(part.unflatten(0, shape) for part in (directions, beside, moved, after)))


def confused(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    count: int = 5,
    step: float = 0.05,
    max_gap: float = float("inf"),
    min_pair: float = 0.0,
) -> Confused:
    """The images (n, c, h, w) whose two highest logits are closest, and one step from each towards either class.

    count: at most so many.
    step: see nudge.
    max_gap: leave out images whose two highest logits differ by more.
    min_pair: leave out images of which the two classes together have less probability: clueless, not confused.
    The result may hold no image at all.
    """
    logits = logits_of(classifier, images)
    top, pairs = logits.topk(2, dim=1)
    gaps = top[:, 0] - top[:, 1]
    together = logits.softmax(1).gather(1, pairs).sum(1)
    fitting = ((gaps <= max_gap) & (together >= min_pair)).nonzero()[:, 0]
    chosen = fitting[gaps[fitting].argsort(stable=True)][:count]
    return Confused(
        indices=chosen,
        labels=None if labels is None else labels.cpu()[chosen],
        gaps=gaps[chosen],
        nudges=nudge(classifier, images[chosen.to(images.device)], pairs[chosen], step),
    )


def filters(
    classifier: nn.Module, image: Tensor, *, layer: str | None = None, count: int = 16, steps: int = 50, seed: int = 0
) -> Filters:
    """What a layer's channels are, what they make of an image (c, h, w), and which image excites each most.

    layer: a name of classifier.named_modules(). Default: the first convolution.
    count: at most so many channels, those that this image excites most.
    steps: of the climb up the mean of each channel's map, from uniform noise, each moving the pixels by 1.0 times the
        normalised gradient, within [0, 1].
    Raises UserError for an unknown layer or one without channels, and where there is no convolution by default.
    """
    check_fit(classifier, image[None])
    layer = _first_convolution(classifier) if layer is None else layer
    watched_layer = _relu_after(classifier, layer)
    with torch.no_grad(), frozen(classifier) as device, watched(classifier, [layer, watched_layer]) as look:
        seen = look(image[None].to(device))
    activations = seen.activations[watched_layer][0].detach().cpu().float().relu()
    if activations.ndim not in (1, 3):
        raise UserError(f"layer {layer!r} has no channels to show: it makes {tuple(activations.shape)} of an image")
    strength = activations.flatten(1).mean(1) if activations.ndim > 1 else activations
    channels = sorted(strength.argsort(descending=True, stable=True)[:count].tolist())
    starts = Pixels.noise(1, shape=image.shape, seed=seed)
    # A touch of the map before ReLU wakes channels that noise leaves silent: they would have no gradient at all.
    objectives = [Channel(watched_layer, k) + 1e-3 * Channel(layer, k) for k in channels]
    climbs = [
        ascend(classifier, objective, starts, steps=steps, step="std", step_size=1.0, progress=False)
        for objective in tqdm(objectives, desc="exciting channels", unit="channel", delay=2, leave=False, disable=None)
    ]
    weights = getattr(classifier.get_submodule(layer), "weight", None)
    if weights is not None and (weights.ndim != 4 or weights.shape[1] != len(image)):
        weights = None  # they do not see images
    return Filters(
        layer=layer,
        channels=channels,
        image=image.detach().cpu(),
        weights=None if weights is None else weights.detach().cpu()[channels],
        activations=activations[channels],
        exciting=torch.cat([climb.images for climb in climbs]),
    )


def untrained(classifier: nn.Module, seed: int = 0) -> nn.Module:
    """A copy of the classifier with fresh random weights, as before any training.

    Raises UserError where a part of it has parameters but no reset_parameters() to draw them anew.
    """
    fresh = copy.deepcopy(classifier)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed))
        for name, module in fresh.named_modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
            elif any(True for _ in module.parameters(recurse=False)):
                raise UserError(f"cannot make an untrained copy: layer {name!r} does not say how to start afresh")
    return fresh


def _first_convolution(classifier: nn.Module) -> str:
    for name, module in classifier.named_modules():
        if isinstance(module, nn.Conv2d):
            return name
    known = ", ".join(name for name, _ in classifier.named_modules() if name)
    raise UserError(f"{type(classifier).__name__} has no convolution: name one of its layers, {known}")


def _relu_after(classifier: nn.Module, layer: str) -> str:
    """The ReLU module that follows the layer, if need be behind a normalisation; else the layer itself."""
    names = [name for name, module in classifier.named_modules() if not any(module.children())]
    for name in names[names.index(layer) + 1 :] if layer in names else []:
        module = classifier.get_submodule(name)
        if isinstance(module, nn.ReLU):
            return name
        if not isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d, nn.GroupNorm, nn.LayerNorm)):
            break
    return layer
