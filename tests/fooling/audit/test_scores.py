import math

import pytest
import torch
from torch import nn

from fooling.audit.scores import auroc, calibration_error, false_positive_rate, scale_to_certainty


def test_auroc_counts_the_pairs_in_the_right_order():
    generator = torch.Generator().manual_seed(0)
    inside, outside = (torch.randint(0, 8, (n,), generator=generator) / 8 for n in (40, 30))  # with many ties
    pairs = (inside[:, None] > outside).double() + 0.5 * (inside[:, None] == outside).double()
    assert auroc(inside, outside) == pytest.approx(pairs.mean().item())
    assert auroc(torch.tensor([0.9, 0.8]), torch.tensor([0.1])) == 1
    assert auroc(torch.tensor([0.1]), torch.tensor([0.9, 0.8])) == 0


def test_false_positives_where_95_percent_of_the_data_come_in():
    inside = torch.linspace(0, 1, 101)[1:]  # 0.01 to 1.00: 95 of 100 are at least 0.06
    assert false_positive_rate(inside, torch.tensor([0.05, 0.061, 0.5, 1.0])) == 0.75
    assert false_positive_rate(inside, torch.zeros(3)) == 0


def test_calibration_error_is_the_distance_of_confidence_from_accuracy():
    confidences = torch.tensor([0.8] * 10 + [0.6] * 10)
    correct = torch.tensor([True] * 8 + [False] * 2 + [True] * 3 + [False] * 7)
    assert calibration_error(confidences, correct) == pytest.approx((0 + 0.3) / 2)
    assert calibration_error(torch.ones(4), torch.ones(4, dtype=torch.bool)) == 0


def test_scale_to_certainty_finds_where_a_linear_classifier_becomes_sure():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        linear[1].weight.copy_(torch.tensor([[1.0] * 4, [0.0] * 4]))
    # p = sigmoid(4 alpha), which is 0.999 where 4 alpha = 6.907
    alpha = scale_to_certainty(linear, torch.ones(1, 1, 2, 2), 2).item()
    assert 6.907 / 4 <= alpha <= 1.25 * 6.907 / 4
    assert scale_to_certainty(linear, torch.zeros(1, 1, 2, 2), 2).item() == math.inf
