import math

import pytest
import torch

from fooling.errors import MissingFile, UserError
from gan.losses import LOSSES, NonSaturating, loss_named

REAL, FAKE = torch.tensor([1.5, -0.3]), torch.tensor([-2.0, 0.7])


def log_sigmoid(t: float) -> float:
    return -math.log(1 + math.exp(-t))


# By hand, for the pairs (1.5, -2) and (-.3, .7): what the discriminator minimises, and the generator.
VALUES = {
    "non-saturating": (
        [-log_sigmoid(1.5) - log_sigmoid(2.0), -log_sigmoid(-0.3) - log_sigmoid(-0.7)],
        [-log_sigmoid(-2.0), -log_sigmoid(0.7)],
    ),
    "saturating": (
        [-log_sigmoid(1.5) - log_sigmoid(2.0), -log_sigmoid(-0.3) - log_sigmoid(-0.7)],
        [log_sigmoid(2.0), log_sigmoid(-0.7)],
    ),
    "least-squares": ([0.25 / 2 + 4 / 2, 1.69 / 2 + 0.49 / 2], [9 / 2, 0.09 / 2]),
    "hinge": ([0 + 0, 1.3 + 1.7], [2.0, -0.7]),
    "wasserstein": ([-3.5, 1.0], [2.0, -0.7]),
    "relativistic": ([-log_sigmoid(3.5), -log_sigmoid(-1.0)], [-log_sigmoid(-3.5), -log_sigmoid(1.0)]),
}


def test_every_loss_is_worked_by_hand():
    assert VALUES.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_a_loss_has_the_values_of_its_paper(name):
    loss, (discriminator, generator) = LOSSES[name], VALUES[name]
    assert loss.discriminator(REAL, FAKE).tolist() == pytest.approx(discriminator)
    assert loss.generator(REAL, FAKE).tolist() == pytest.approx(generator)


SMOOTHED = {
    "non-saturating": [
        -0.9 * log_sigmoid(1.5) - 0.1 * log_sigmoid(-1.5) - log_sigmoid(2.0),
        -0.9 * log_sigmoid(-0.3) - 0.1 * log_sigmoid(0.3) - log_sigmoid(-0.7),
    ],
    "least-squares": [0.36 / 2 + 4 / 2, 1.44 / 2 + 0.49 / 2],
}
SMOOTHED["saturating"] = SMOOTHED["non-saturating"]


@pytest.mark.parametrize("name", SMOOTHED)
def test_smoothed_reals_have_a_target_of_nine_tenths_and_nothing_else_changes(name):
    smoothed = loss_named(name, label_smoothing=0.1)
    assert smoothed.discriminator(REAL, FAKE).tolist() == pytest.approx(SMOOTHED[name])
    assert torch.equal(smoothed.generator(None, FAKE), LOSSES[name].generator(None, FAKE))
    scores = torch.linspace(-5, 5, 1001)
    best = scores[smoothed.discriminator(scores, torch.zeros(())).argmin()].item()
    assert best == pytest.approx(math.log(9) if "saturating" in name else 0.9, abs=0.01)


def test_relativistic_pairing_sees_only_differences_within_a_pair():
    loss = loss_named("relativistic")
    torch.testing.assert_close(loss.discriminator(REAL + 5, FAKE + 5), loss.discriminator(REAL, FAKE))
    torch.testing.assert_close(loss.generator(REAL, FAKE), loss.discriminator(FAKE, REAL))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_each_player_is_pulled_the_right_way(loss):
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    real_pull, fake_pull = torch.autograd.grad(loss.discriminator(real, fake).sum(), (real, fake))
    # Hinge asks no more of 1.5 and -2, least squares asks for 1 and 0 and not for more.
    is_done = {"hinge": [True, False], "least-squares": [True, False]}.get(named(loss), [False, False])
    for done, up, down in zip(is_done, real_pull, fake_pull, strict=True):
        assert done or (up < 0 and down > 0)
    (pull,) = torch.autograd.grad(loss.generator(real, fake).sum(), fake)
    assert (pull < 0).all()


def named(loss) -> str:
    return next(name for name, known in LOSSES.items() if known is loss)


def test_the_saturating_generator_learns_nothing_where_the_discriminator_is_sure():
    fake = torch.tensor([-10.0, 10.0], requires_grad=True)
    pulls = {n: torch.autograd.grad(LOSSES[n].generator(None, fake).sum(), fake)[0] for n in list(LOSSES)[1:3]}
    assert pulls["saturating"].tolist() == pytest.approx([0, -1], abs=1e-4)
    assert pulls["non-saturating"].tolist() == pytest.approx([-1, 0], abs=1e-4)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_generator_that_needs_no_real_scores_works_without_and_any_other_reads_them(loss):
    if loss.generator_needs_real:
        assert not torch.equal(loss.generator(REAL, FAKE), loss.generator(REAL + 1, FAKE))
    else:
        assert torch.equal(loss.generator(None, FAKE), loss.generator(REAL, FAKE))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_losses_stay_finite_and_keep_a_gradient_at_extreme_scores(loss):
    real, fake = torch.tensor([-1e4]), torch.tensor([1e4], requires_grad=True)
    value = loss.discriminator(real, fake)
    assert value.isfinite().all()
    assert torch.autograd.grad(value.sum(), fake)[0].item() >= 1


OWN = """
from gan.losses import Hinge
class Sharper(Hinge):
    def discriminator(self, real_scores, fake_scores):
        return super().discriminator(real_scores, fake_scores) * 3
class Smooth(Hinge):
    def __init__(self, label_smoothing=0.0):
        self.__dict__["kept"] = label_smoothing
class Failing:
    def __init__(self):
        raise RuntimeError("no\\nwonder")
made = Sharper()
number = 3
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "their_losses.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


def test_a_loss_of_ones_own_is_a_class_or_an_object_in_the_current_directory(own_module):
    expected = 3 * LOSSES["hinge"].discriminator(REAL, FAKE)
    for name in ("their_losses:Sharper", "their_losses:made"):
        torch.testing.assert_close(loss_named(name).discriminator(REAL, FAKE), expected)
    assert loss_named("their_losses:Smooth", 0.2).kept == 0.2


REFUSED = {
    "misspelt": ("hing", 0, "did you mean hinge"),
    "unknown": ("mine", 0, "loss must be relativistic, non-saturating, .* or package.module:Class, got 'mine'"),
    "no target": ("hinge", 0.1, "losses with a target for reals, non-saturating, saturating or least-squares; hinge"),
    "pairs": ("relativistic", 0.1, "relativistic has none: set it to 0"),
    "target in place of smoothing": ("saturating", 0.9, "0.1 makes the target of reals 0.9"),
    "negative": ("least-squares", -0.1, "at least 0"),
    "no module": ("nowhere:Loss", 0, "cannot import nowhere:Loss"),
    "no such class": ("their_losses:Loss", 0, "cannot import their_losses:Loss"),
    "no loss": ("their_losses:number", 0, "has no generator_needs_real, discriminator or generator"),
    "takes no smoothing": ("their_losses:Sharper", 0.1, "takes no argument of that name"),
    "no class to be told": ("their_losses:made", 0.1, "is an object, not a class"),
    "fails": ("their_losses:Failing", 0, r"their_losses:Failing\(\) failed with RuntimeError: no wonder"),
}


@pytest.mark.parametrize(("name", "smoothing", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_loss_is_refused_in_one_line(own_module, name, smoothing, message):
    with pytest.raises(MissingFile if "nowhere" in name else UserError, match=message) as caught:
        loss_named(name, smoothing)
    assert "\n" not in str(caught.value)


def test_without_smoothing_the_cross_entropy_is_to_the_bit_what_it_was():
    softplus = torch.nn.functional.softplus
    assert torch.equal(NonSaturating().discriminator(REAL, FAKE), softplus(-REAL) + softplus(FAKE))
