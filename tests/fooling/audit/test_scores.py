import math

import pytest
import torch
from torch import nn

from fooling.audit.scores import auroc, calibration_error, false_positive_rate, scale_to_certainty
from fooling.errors import UserError


def test_auroc_counts_the_pairs_in_the_right_order():
    generator = torch.Generator().manual_seed(0)
    inside, outside = (torch.randint(0, 8, (n,), generator=generator) / 8 for n in (40, 30))  # with many ties
    pairs = (inside[:, None] > outside).double() + 0.5 * (inside[:, None] == outside).double()
    assert auroc(inside, outside) == pytest.approx(pairs.mean().item())
    assert auroc(torch.tensor([0.9, 0.8]), torch.tensor([0.1])) == 1
    assert auroc(torch.tensor([0.1]), torch.tensor([0.9, 0.8])) == 0
    assert auroc(torch.ones(5), torch.ones(7)) == 0.5


def share_of_pairs(inside, outside):
    return ((inside[:, None] > outside).double() + 0.5 * (inside[:, None] == outside).double()).mean().item()


SCORES = {
    "confidences": lambda n, generator: torch.rand(n, generator=generator),
    "ties": lambda n, generator: torch.randint(0, 8, (n,), generator=generator) / 8,
    "neighbours among float32": lambda n, generator: 1 - torch.randint(0, 9, (n,), generator=generator) * 2**-24,
    "logits": lambda n, generator: 100 * torch.rand(n, generator=generator) - 50,
    "high logits": lambda n, generator: 40 + torch.randint(0, 9, (n,), generator=generator).double() / 1000,
    "tiny": lambda n, generator: 1e-40 * torch.randint(0, 9, (n,), generator=generator),
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("counts", [(40, 30), (10_000, 20), (20, 10_000), (1, 1)])
def test_auroc_takes_scores_of_any_kind_in_any_number(name, counts):
    """As many clean images and as few of a kind of rubbish as an audit has of them."""
    generator = torch.Generator().manual_seed(0)
    inside, outside = (SCORES[name](n, generator) for n in counts)
    assert auroc(inside, outside) == pytest.approx(share_of_pairs(inside, outside), abs=1e-6)


def test_auroc_never_leaves_its_range():
    for n in range(1, 60):
        low, high = torch.rand(3 * n) - 1, torch.rand(n)
        assert auroc(high, low) == pytest.approx(1) and auroc(high, low) <= 1
        assert auroc(low, high) == pytest.approx(0) and auroc(low, high) >= 0
    assert auroc(torch.tensor([torch.inf]), torch.tensor([-torch.inf])) == 1
    with pytest.raises(UserError, match="scores of both kinds, got 2 and 0"):
        auroc(torch.ones(2), torch.ones(0))


def test_false_positives_where_95_percent_of_the_data_come_in():
    inside = torch.linspace(0, 1, 101)[1:]  # 0.01 to 1.00: 95 of 100 are at least 0.06
    assert false_positive_rate(inside, torch.tensor([0.05, 0.061, 0.5, 1.0])) == 0.75
    assert false_positive_rate(inside, torch.zeros(3)) == 0


def test_calibration_error_is_the_distance_of_confidence_from_accuracy():
    confidences = torch.tensor([0.8] * 10 + [0.6] * 10)
    correct = torch.tensor([True] * 8 + [False] * 2 + [True] * 3 + [False] * 7)
    assert calibration_error(confidences, correct) == pytest.approx((0 + 0.3) / 2)
    assert calibration_error(torch.ones(4), torch.ones(4, dtype=torch.bool)) == 0


@pytest.mark.parametrize("bins", [1, 4, 15, 16])
@pytest.mark.parametrize("kind", ["any", "nearly sure", "at the edges", "all or nothing"])
def test_calibration_error_is_that_of_the_papers_bins(bins, kind):
    """(low, high], also where float32 says exactly 1, as it does of most images that a good classifier sees."""
    generator = torch.Generator().manual_seed(bins)
    confidences = {
        "any": lambda: torch.rand(1000, generator=generator),
        "nearly sure": lambda: (1.01 - torch.rand(1000, generator=generator) ** 8).clamp_max(1),
        "at the edges": lambda: torch.randint(0, 17, (1000,), generator=generator) / 16,
        "all or nothing": lambda: torch.randint(0, 2, (1000,), generator=generator).float(),
    }[kind]()
    correct = torch.rand(1000, generator=generator) < confidences**2
    expected = 0.0
    for number in range(bins):
        of_bin = (confidences.double() * bins > number) & (confidences.double() * bins <= number + 1)
        of_bin |= (confidences == 0) & (number == 0)
        expected += abs((correct[of_bin].double() - confidences[of_bin].double()).sum().item()) / 1000
    assert calibration_error(confidences, correct, bins=bins) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_what_is_no_confidence_is_refused(wrong):
    with pytest.raises(UserError, match=r"confidences in \[0, 1\]"):
        calibration_error(torch.tensor([0.5, wrong]), torch.tensor([True, False]))


def test_scale_to_certainty_finds_where_a_linear_classifier_becomes_sure():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        linear[1].weight.copy_(torch.tensor([[1.0] * 4, [0.0] * 4]))
    # p = sigmoid(4 alpha), which is 0.999 where 4 alpha = 6.907
    alpha = scale_to_certainty(linear, torch.ones(1, 1, 2, 2), 2).item()
    assert 6.907 / 4 <= alpha <= 1.25 * 6.907 / 4
    assert scale_to_certainty(linear, torch.zeros(1, 1, 2, 2), 2).item() == math.inf
