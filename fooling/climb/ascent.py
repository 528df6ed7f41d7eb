"""The climb: a classifier is held still, and each image follows its own gradient until the network is fooled.

    ascend(classifier, Logit(3), Pixels.noise(1000, seed=0), until=0.99)

What is climbed, what is moved and when to stop are small objects of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from tqdm import tqdm
from typing_extensions import Self

from fooling.classifiers.activations import Outputs, gradient_of, watched
from fooling.classifiers.frozen import check_fit, device_of, frozen
from fooling.climb.criteria import Confident
from fooling.climb.objectives import Objective
from fooling.climb.parametrizations import Parametrization
from fooling.climb.per_image import PerImage, at
from fooling.climb.step_rules import RuleName, StepRule, make_rule
from fooling.errors import UserError
from fooling.images import blurred, check_images
from fooling.seeds import seed_of

Criterion = Callable[[Outputs], Tensor]

# When more than this part of the images arrive at once, a new forward pass for the others is cheaper than a backward
# pass through all of them (a convolution's gradient costs two to four times its forward pass).
_LOOK_AGAIN = 0.3


@dataclass(frozen=True)
class Trace:
    """A climb at chosen steps. An image that has arrived stays as it is.

    steps: the step numbers, 0 being the start.
    images: float (len(steps), n, c, h, w).
    probabilities: float (len(steps), n, classes).
    """

    steps: list[int]
    images: Tensor
    probabilities: Tensor


@dataclass(frozen=True)
class Ascent:
    """Where n climbs ended.

    images: float (n, c, h, w) in [0, 1].
    params: float (n, ...), what was moved; the images themselves for Pixels.
    probabilities: float (n, classes), what the classifier says of the images.
    confidences: float (n,), the probability of the target class; of the likeliest class where there is no target.
    steps: int64 (n,), how many steps each took.
    success: bool (n,), whether the criterion was met; all False without one.
    trace: the climb at the steps asked for, or None.
    """

    images: Tensor
    params: Tensor
    probabilities: Tensor
    confidences: Tensor
    steps: Tensor
    success: Tensor
    trace: Trace | None = None


def ascend(
    classifier: nn.Module,
    objective: Objective,
    parametrization: Parametrization,
    *,
    until: float | Criterion | None = None,
    steps: int = 100,
    step: RuleName | StepRule | None = None,
    step_size: float | None = None,
    decay: float = 0.0,
    ball: tuple[str, float] | None = None,
    blur: float = 0.0,
    jitter: int = 0,
    seed: int = 0,
    trace: Collection[int] = (),
    autocast: torch.dtype | None = None,
    chunk: int | None = None,
    progress: bool = True,
) -> Ascent:
    """Climb the objective from each start, X <- (X + step_size * direction)(1 - decay), and stop each on arrival.

    classifier: images float (n, c, h, w) in [0, 1] to logits (n, classes). It is left exactly as it was found, and
        the climb runs where its weights are; the results are where the parametrization's were.
    objective: what is climbed, such as Logit(3), or Logit(targets) with one class for each image.
    parametrization: what is moved, and from where, such as Pixels.noise(1000).
    until: a probability of the objective's target class, or a callable from Outputs to bool (n,), such as those in
        fooling/climb/criteria.py. An image for which it holds leaves the batch. None: every image takes all the steps.
    steps: the most steps an image may take.
    step, step_size: the rule and how far. A name in fooling/climb/step_rules.py, or an object like those there, from
        gradients (n, ...) to directions. Default: what suits the parametrization.
    decay: L2 decay as in Nguyen et al. 2015, arXiv:1412.1897, section 2.4.
    ball: ("linf", radius) or ("l2", radius): stay that near to the start, for Pixels.
    blur: a Gaussian of so many pixels after each step, for Pixels (Yosinski et al. 2015, arXiv:1506.06579, section 4).
    jitter: before each gradient, shift the images by up to so many pixels each way, drawn from (seed, step).
    trace: the steps at which to record images and probabilities, such as range(50).
    autocast: torch.bfloat16 for speed; the probabilities are then those of the network in that precision.
    chunk: how many images climb at once. Default: 256 on a CPU, few enough for its cache, 4096 elsewhere.
    progress: show a bar, at a terminal, once the climb has taken two seconds.

    Image i of a batch climbs as it would alone. Raises UserError for settings that do not fit each other, images
    outside [0, 1] and gradients that are not finite, naming the image.
    """
    step_size = parametrization.step_size if step_size is None else step_size
    for name, value in (("steps", steps), ("blur", blur), ("jitter", jitter)):
        if value < 0:
            raise UserError(f"{name} must be at least 0, got {value}")
    if step_size <= 0:
        raise UserError(f"step_size must be positive, got {step_size} (to go down, climb -objective)")
    if not 0 <= decay < 1:
        raise UserError(f"decay must be at least 0 and below 1, got {decay}")
    if ball is not None and (ball[0] not in ("linf", "l2") or ball[1] <= 0):
        raise UserError(f"ball must be ('linf', radius) or ('l2', radius) with radius > 0, got {ball!r}")
    if (ball or blur) and not parametrization.in_pixels:
        raise UserError(f"a ball and a blur are for Pixels, not for {type(parametrization).__name__}")
    if chunk is not None and chunk < 1:
        raise UserError(f"chunk must be at least 1, got {chunk}")
    n, home = len(parametrization), parametrization.params.device
    device = device_of(classifier, home)
    chunk = n if trace else chunk or (256 if device.type == "cpu" else 4096)
    with (
        torch.no_grad(),
        frozen(classifier, *parametrization.modules),
        watched(classifier, objective.layers) as forward,
        torch.autocast(device.type, autocast, enabled=autocast is not None),
        tqdm(total=n, desc="climbing", unit="img", delay=2, leave=False, disable=None if progress else True) as bar,
    ):
        objective = objective.to(home)
        target = objective.target_class(classifier)
        until = _criterion(until, objective, target, home)
        image = parametrization.select(slice(0, 1)).image_fn(parametrization.params[:1].to(device))
        check_fit(classifier, image)  # of one, so that what does not fit is refused in one line before anything climbs
        first = forward(image, image)
        for part in (objective, until):
            if isinstance(part, PerImage):
                part.check(n, first.logits.shape[1])
        objective.select(slice(0, 1)).to(device).score(first)
        log = _Log(n, home, target, bar)

        def look(some: _Climbers, *, grad: bool, shift: tuple[int, int] = (0, 0)) -> Outputs:
            """What the classifier makes of the images; with `grad`, ready for a gradient. It sees them moved by `shift`
            pixels, while an objective about the images themselves has them where they are."""
            some.params = some.params.detach().requires_grad_(grad)
            with torch.set_grad_enabled(grad):
                images = some.made_by.image_fn(some.params).to(some.params.dtype)  # whatever autocast made of them
                check_images(images.detach(), some.numbers)
                if not any(shift):
                    return forward(images, some.starts)
                return replace(forward(images.roll(shift, (2, 3)), some.starts), images=images)

        def moved(some: _Climbers, gradient: Tensor) -> Tensor:
            params = some.params.detach() + step_size * some.rule(gradient)
            if decay:
                params *= 1 - decay
            if blur:
                params = blurred(params, blur)
            if ball:
                params = _into_ball(params, some.starts, *ball)
            return some.made_by.clip(params)

        for numbers in torch.arange(n, device=home).split(chunk):
            params = parametrization.params[numbers].detach().to(device)
            made_by = parametrization.select(numbers)
            some = _Climbers(
                numbers,
                made_by,
                params,
                made_by.image_fn(params),
                objective.select(numbers),
                until.select(numbers) if isinstance(until, PerImage) else until,  # which may be a plain function
                make_rule(parametrization.step if step is None else step).select(numbers),
            ).to(device)
            for k in range(steps + 1):
                last = k == steps
                outputs = look(some, grad=not last and not jitter)
                if k in trace:
                    log.note(some, outputs, k)
                arrived = some.arrived(outputs)
                gone = some.everybody if last else some.nobody if until is None else arrived.nonzero()[:, 0]
                if len(gone):
                    log.leave(some, outputs, gone, k, arrived[gone])
                if len(gone) == len(arrived):
                    break
                stay = (~arrived).nonzero()[:, 0] if len(gone) else slice(None)
                if jitter or len(gone) > _LOOK_AGAIN * len(arrived):
                    some = some.select(stay)
                    gradient = some.gradient(look(some, grad=True, shift=_shift(jitter, seed, k)))
                else:
                    gradient = some.gradient(outputs)
                    if len(gone):
                        some, gradient = some.select(stay), gradient[stay]
                some.params = moved(some, gradient)
    return log.result()


@dataclass(repr=False, eq=False)
class _Climbers(PerImage):
    """The images of one chunk that are still climbing, with everything that has one entry for each of them."""

    numbers: Tensor  # int64 (n,), which images of the whole batch they are
    made_by: Parametrization
    params: Tensor  # (n, ...)
    starts: Tensor  # images (n, c, h, w)
    objective: Objective
    until: Criterion | None
    rule: StepRule  # from gradients to directions, with what it remembers of each image

    def select(self, which: Tensor | slice) -> Self:
        return replace(super().select(which), made_by=self.made_by.select(which))

    @property
    def everybody(self) -> Tensor:
        return torch.arange(len(self.numbers), device=self.numbers.device)

    @property
    def nobody(self) -> Tensor:
        return self.numbers[:0]

    def arrived(self, outputs: Outputs) -> Tensor:
        """bool (n,): for whom the criterion holds; for nobody where there is none."""
        if self.until is None:
            return torch.zeros_like(self.numbers, dtype=torch.bool)
        arrived = self.until(outputs)
        if not isinstance(arrived, Tensor) or arrived.dtype != torch.bool or arrived.shape != self.numbers.shape:
            raise UserError(f"a criterion gives bool ({len(self.numbers)},) for as many images, got {arrived!r}")
        return arrived

    def gradient(self, outputs: Outputs) -> Tensor:
        """Every image's own gradient (n, ...), without touching any parameter's `.grad`."""
        with torch.enable_grad():
            total = self.objective.score(outputs).sum()
        gradient = gradient_of(total, self.params, self.objective)
        if not gradient.sum(dtype=torch.float32).isfinite():  # cheap, but it may overflow where no gradient does
            bad = ~torch.isfinite(gradient.flatten(1)).all(1)
            if bad.any():
                raise UserError(f"the gradient of {self.objective} is not finite at image {int(self.numbers[bad][0])}")
        return gradient


class _Log:
    """What became of all n images, gathered where the parametrization's tensors are."""

    def __init__(self, n: int, home: torch.device, target: int | Tensor | None, bar: tqdm):
        self.n, self.home, self.target, self.bar = n, home, target, bar
        self.ends: dict[str, Tensor] = {}  # images, params and probabilities
        self.steps = torch.zeros(n, dtype=torch.int64, device=home)
        self.success = torch.zeros(n, dtype=torch.bool, device=home)
        self.frames: dict[int, tuple[Tensor, Tensor]] = {}

    def leave(self, some: _Climbers, outputs: Outputs, which: Tensor, step: int, success: Tensor) -> None:
        numbers = self._write(some, outputs, which)
        self.steps[numbers] = step
        self.success[numbers] = success.to(self.home)
        self.bar.update(len(numbers))

    def note(self, some: _Climbers, outputs: Outputs, step: int) -> None:
        self._write(some, outputs, slice(None))
        self.frames[step] = self.ends["images"].clone(), self.ends["probabilities"].clone()

    def result(self) -> Ascent:
        probabilities = self.ends["probabilities"]
        confidences = probabilities.amax(1) if self.target is None else at(probabilities, self.target)
        trace = None
        if self.frames:
            trace = Trace(list(self.frames), *map(torch.stack, zip(*self.frames.values(), strict=True)))
        return Ascent(**self.ends, confidences=confidences, steps=self.steps, success=self.success, trace=trace)

    def _write(self, some: _Climbers, outputs: Outputs, which: Tensor | slice) -> Tensor:
        numbers = some.numbers[which].to(self.home)
        ends = {"images": outputs.images, "params": some.params, "probabilities": outputs.probabilities}
        for name, values in ends.items():
            values = values.detach()[which].to(self.home)
            if name not in self.ends:
                self.ends[name] = values.new_zeros(self.n, *values.shape[1:])
            self.ends[name][numbers] = values
        return numbers


def _criterion(
    until: float | Criterion | None, objective: Objective, target: int | Tensor | None, home: torch.device
) -> Criterion | None:
    if isinstance(until, PerImage):
        return until.to(home)
    if until is None or callable(until):
        return until
    if target is None:
        raise UserError(f"until={until} needs a target class, and {objective} has none: pass a criterion, or None")
    return Confident(target, until)


def _shift(jitter: int, seed: int, k: int) -> tuple[int, int]:
    """The jitter of step k, the same for all images so that each climbs as it would alone."""
    if not jitter:
        return 0, 0
    generator = torch.Generator().manual_seed(seed_of(seed, k))
    return tuple(torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist())


def _into_ball(images: Tensor, centres: Tensor, norm: str, radius: float) -> Tensor:
    offsets = images - centres
    if norm == "linf":
        return centres + offsets.clamp_(-radius, radius)
    lengths = torch.linalg.vector_norm(offsets.flatten(1), dim=1).clamp_min(1e-12)[:, None, None, None]
    return centres + offsets * (radius / lengths).clamp_max(1)
