import math

import pytest
import torch
from torch import nn
from torchmetrics.image.inception import InceptionScore

from fooling.errors import UserError
from gan.metrics.modes import count_modes, inception_score


def test_modes_are_what_one_counts():
    drawn = count_modes(torch.tensor([0, 0, 0, 2]), torch.tensor([1, 1, 2]))
    assert (drawn.count, drawn.of, drawn.histogram) == (2, 3, (3, 0, 1))
    assert drawn.divergence == pytest.approx(0.75 * math.log(0.75 / 0.25) + 0.25 * math.log(0.25 / 0.5))
    assert drawn.moved == pytest.approx(0.5)


def test_a_thousand_modes_evenly_met_have_no_divergence_and_a_collapse_has_much():
    uniform = torch.ones(1000)
    even = count_modes(torch.arange(26_000) % 1000, uniform)
    assert (even.count, even.divergence, even.moved) == (1000, pytest.approx(0), pytest.approx(0))
    by_chance = count_modes(torch.randint(1000, (26_000,), generator=torch.Generator().manual_seed(0)), uniform)
    assert by_chance.count == 1000 and by_chance.divergence == pytest.approx(1000 / (2 * 26_000), rel=0.1)
    assert count_modes(torch.zeros(26_000, dtype=torch.int64), uniform).divergence == pytest.approx(math.log(1000))


def test_classes_that_nobody_wanted_are_refused():
    with pytest.raises(UserError, match="class 3 was drawn, and there are 3"):
        count_modes(torch.tensor([3]), torch.ones(3))
    with pytest.raises(UserError, match="1 of the classes that were drawn have no share"):
        count_modes(torch.tensor([0, 1]), torch.tensor([1, 0]))


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore`", "ignore:std()")
def test_the_inception_score_is_what_torchmetrics_computes():
    logits = torch.randn(300, 7, generator=torch.Generator().manual_seed(0)) * 3
    peer = InceptionScore(feature=nn.Identity(), splits=1)
    peer.update(logits)
    assert inception_score(logits.softmax(1)) == pytest.approx(peer.compute()[0].item(), rel=1e-5)
    assert inception_score(torch.eye(7)) == pytest.approx(7)
    assert inception_score(torch.full((9, 7), 1 / 7)) == pytest.approx(1)
