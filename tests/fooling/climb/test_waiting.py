"""A climb waits for its device no more often than it must: each number that Python looks at is such a wait on a GPU."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fooling.climb.ascent import ascend
from fooling.climb.objectives import LogProbability
from fooling.climb.parametrizations import Pixels


class Waits(TorchDispatchMode):
    """Counts what makes the host wait: numbers that are read, and indices whose count has to be known."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return function(*args, **(kwargs or {}))


def waits_in(steps, classifier, **settings):
    with Waits() as waits:
        ascend(classifier, LogProbability(3), Pixels.noise(4), steps=steps, progress=False, **settings)
    return waits.count


def test_a_step_waits_twice_and_a_third_time_for_those_who_arrive(lenet):
    nobody = {"until": lambda outputs: torch.zeros(len(outputs.logits), dtype=torch.bool)}
    for settings, most in (({}, 2), (nobody, 3)):
        each = (waits_in(12, lenet, **settings) - waits_in(2, lenet, **settings)) / 10
        assert each <= most, f"{each} a step"
