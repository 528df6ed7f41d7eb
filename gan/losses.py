"""One small object per adversarial loss.

Each has two methods, from scores to per-sample losses. Scores are logits of shape (n,): high means real. The two
arguments of either method pair up row by row, so that the mean over processes is the mean over the whole batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, cast, get_args

from torch import Tensor
from torch.nn.functional import relu, softplus

from fooling.errors import UserError
from fooling.options.imported import current_directory_first, imported, names_an_object
from fooling.options.types import did_you_mean, listed

LossName = Literal["relativistic", "non-saturating", "saturating", "least-squares", "hinge", "wasserstein"]


class Loss(Protocol):
    """What a step asks of a loss."""

    generator_needs_real: ClassVar[bool]
    """Whether `generator` reads real_scores; where it does not, a step need not compute them."""

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor: ...

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class CrossEntropy:
    """What the discriminator minimises in the first GAN (Goodfellow et al. 2014, eq. 1): -log s(D(x)) - log(1 -
    s(D(G(z)))), with s the logistic function.

    label_smoothing: reals are to be real with a probability of one less this, and fakes still with none, so that the
        best discriminator does not pull towards fakes where there are no reals (one-sided: Salimans et al. 2016,
        section 3.4, whose .9 is a smoothing of .1).
    """

    generator_needs_real: ClassVar[bool] = False
    boundary: ClassVar[float] = 0.0
    """Of a loss that has one: the score that parts reals from fakes."""

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        _check_smoothing(self.label_smoothing)

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        losses = softplus(-real_scores) + softplus(fake_scores)
        # Cross-entropy is linear in the target, and softplus(t) - softplus(-t) is t.
        return losses + self.label_smoothing * real_scores if self.label_smoothing else losses


@dataclass(frozen=True)
class NonSaturating(CrossEntropy):
    """Cross-entropy, the generator maximising log D(G(z)) (Goodfellow et al. 2014, section 3).

    D: -log s(D(x)) - log(1 - s(D(G(z)))); G: -log s(D(G(z))); with s the logistic function.
    """

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        return softplus(-fake_scores)


@dataclass(frozen=True)
class Saturating(CrossEntropy):
    """Cross-entropy, the generator minimising what the discriminator maximises (Goodfellow et al. 2014, eq. 1).

    G: log(1 - s(D(G(z)))). For teaching: its slope is s(D(G(z))), which vanishes where the discriminator is sure that
    the fakes are fake, so that a generator that has fallen behind learns nothing (ibid., section 3).
    """

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        return -softplus(fake_scores)


@dataclass(frozen=True)
class LeastSquares:
    """LSGAN (Mao et al. 2017, eq. 2) with a = 0, b = 1 and c = 1 (eq. 9, with which the paper's own were trained).

    D: (D(x) - b)^2 / 2 + (D(G(z)) - a)^2 / 2; G: (D(G(z)) - c)^2 / 2. So a score is 1 for real and 0 for fake, and one
    that is too real is pulled back.

    label_smoothing: b is one less this, and a and c stay.
    """

    generator_needs_real: ClassVar[bool] = False
    boundary: ClassVar[float] = 0.5

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        _check_smoothing(self.label_smoothing)

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return ((real_scores - (1 - self.label_smoothing)).square() + fake_scores.square()) / 2

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        return (fake_scores - 1).square() / 2


@dataclass(frozen=True)
class Hinge:
    """Scores are pushed no further than to 1 and -1 (Lim and Ye 2017, "Geometric GAN"; Miyato et al. 2018, eq. 16, 17).

    D: max(0, 1 - D(x)) + max(0, 1 + D(G(z))); G: -D(G(z)).
    """

    generator_needs_real: ClassVar[bool] = False
    boundary: ClassVar[float] = 0.0

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return relu(1 - real_scores) + relu(1 + fake_scores)

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        return -fake_scores


@dataclass(frozen=True)
class Wasserstein:
    """The distance that earth is moved (Arjovsky et al. 2017, eq. 3), if the discriminator's slope is at most 1.

    D: D(G(z)) - D(x); G: -D(G(z)). A penalty or spectral normalisation has to hold the slope: without, the scores run
    away. Gulrajani et al. 2017 take wgan-gp with gamma 10, and five steps of the discriminator to one of the generator.
    """

    generator_needs_real: ClassVar[bool] = False

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return fake_scores - real_scores

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        return -fake_scores


@dataclass(frozen=True)
class RelativisticPairing:
    """Each fake is scored against one real image: RpGAN (Jolicoeur-Martineau 2020; R3GAN, Huang et al. 2024, eq. 2).

    With f(t) = log(1 + exp(-t)): D: f(D(x) - D(G(z))); G: f(D(G(z)) - D(x)). R3GAN prove that it converges locally
    with R1 and R2 (gan/penalties.py), and show that it fails with neither.
    """

    generator_needs_real: ClassVar[bool] = True

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return softplus(fake_scores - real_scores)

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        assert real_scores is not None  # it says that it needs them
        return softplus(real_scores - fake_scores)


def _check_smoothing(amount: float) -> None:
    if not 0 <= amount < 0.5:
        raise UserError(
            f"label_smoothing must be at least 0 and below .5, got {amount}: 0.1 makes the target of reals 0.9"
        )


LOSSES: dict[str, Loss] = {
    "relativistic": RelativisticPairing(),
    "non-saturating": NonSaturating(),
    "saturating": Saturating(),
    "least-squares": LeastSquares(),
    "hinge": Hinge(),
    "wasserstein": Wasserstein(),
}


def sign_of_reals(loss: Loss, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """1 for each real that is scored as one, -1 for each that is scored as a fake: (n,), without gradient.

    The mean is r_t of Karras et al. 2020 (ADA, eq. 1). Of a loss whose scores mean something only beside others, as in
    RpGAN and with Wasserstein's, the sign is that of a real's score less that of the fake beside it (so R3GAN's code),
    which is of the expected sign more often: of normal scores as far apart, r_t is .77 there where it is .6 otherwise.
    """
    boundary = getattr(loss, "boundary", None)
    return (real_scores - (fake_scores if boundary is None else boundary)).detach().sign()


_SMOOTHED: dict[str, Callable[[float], Loss]] = {
    "non-saturating": NonSaturating,
    "saturating": Saturating,
    "least-squares": LeastSquares,
}


def loss_named(name: LossName | str, label_smoothing: float = 0.0) -> Loss:
    """The loss of that name, or one of your own: package.module:Class, or any object there that is a Loss.

    label_smoothing: one-sided, see CrossEntropy; of a loss that has a target for the reals. A class of your own gets it
        as the argument of that name.

    Raises UserError, or MissingFile for a module that is not there, for a name that is none, a smoothing that is
    impossible or that the loss has no use for, and an object that is no loss.
    """
    if names_an_object(name):
        return _own(name, label_smoothing)
    if name not in LOSSES:
        guess = did_you_mean(name, LOSSES)
        raise UserError(f"loss must be {listed([*get_args(LossName), 'package.module:Class'])}, got {name!r}{guess}")
    if not label_smoothing:
        return LOSSES[name]
    if name not in _SMOOTHED:
        raise UserError(
            f"label_smoothing is for losses with a target for reals, {listed(_SMOOTHED)}; {name} has none: set it to 0"
        )
    return _SMOOTHED[name](label_smoothing)


def _own(name: str, label_smoothing: float) -> Loss:
    made = imported(name)
    if callable(made):
        options = {"label_smoothing": label_smoothing} if label_smoothing else {}
        if options and "label_smoothing" not in inspect.signature(made).parameters:
            raise UserError(f"label_smoothing must be 0: {name} takes no argument of that name")
        with current_directory_first():
            try:
                made = made(**options)
            except Exception as error:  # whatever somebody else's code raises
                said = " ".join(str(error).split())
                raise UserError(f"{name}() failed with {type(error).__name__}: {said}") from error
    elif label_smoothing:
        raise UserError(f"label_smoothing must be 0: {name} is an object, not a class that could be told")
    if lacking := [part for part in ("generator_needs_real", "discriminator", "generator") if not hasattr(made, part)]:
        raise UserError(f"{name} is no loss: it has no {listed(lacking)}; gan/losses.py shows what one has")
    return cast(Loss, made)
