"""An image that does not arrive from one start is tried from the next, and keeps the best that it got."""

import pytest
import torch

from fooling.classifiers.load import trained_classifier
from fooling.climb.ascent import ascend
from fooling.climb.criteria import Confident
from fooling.climb.objectives import LogProbability
from fooling.climb.parametrizations import Pixels
from fooling.climb.restarts import ascend_from
from fooling.errors import UserError

TARGETS = torch.tensor([3, 8, 5, 0, 1, 7])


@pytest.fixture(scope="module")
def lenet():
    return trained_classifier()


@pytest.mark.parametrize("until", [0.99, Confident(TARGETS, 0.99)], ids=["number", "criterion"])
def test_the_next_start_is_for_those_that_did_not_arrive(lenet, until):
    starts = [Pixels.black(6), Pixels.noise(6, seed=1), Pixels.noise(6, seed=2)]
    how = {"step": "sign", "step_size": 0.02}
    alone = [ascend(lenet, LogProbability(TARGETS), start, until=0.99, steps=8, **how) for start in starts]
    end, came_from = ascend_from(lenet, LogProbability(TARGETS), starts, until=until, steps=8, **how)
    for i in range(6):
        arrived = [k for k in range(3) if alone[k].success[i]]
        expected = arrived[0] if arrived else max(range(3), key=lambda k: alone[k].confidences[i].item())
        assert int(came_from[i]) == expected
        torch.testing.assert_close(end.images[i], alone[expected].images[i], atol=1e-4, rtol=0)
        assert end.success[i] == bool(arrived) and end.steps[i] == alone[expected].steps[i]
    assert end.success.any() and len(came_from.unique()) > 1


def test_starts_that_do_not_fit_are_refused(lenet):
    with pytest.raises(UserError, match=r"expected starts of as many images each, got \[2, 3\]"):
        ascend_from(lenet, LogProbability(3), [Pixels.noise(2), Pixels.noise(3)], until=0.9)
    with pytest.raises(UserError, match="a trace is of one climb"):
        ascend_from(lenet, LogProbability(3), [Pixels.noise(2)], until=0.9, trace=[0])
    with pytest.raises(UserError, match=r"got \[\]"):
        ascend_from(lenet, LogProbability(3), [], until=0.9)
