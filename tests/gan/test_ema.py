import pytest
import torch
from torch import nn

from gan.ema import ExponentialMovingAverage


def moved(average: ExponentialMovingAverage) -> float:
    return average.network.weight.item()


def network(value: float) -> nn.Linear:
    made = nn.Linear(1, 1, bias=False)
    nn.init.constant_(made.weight, value)
    return made


@pytest.mark.parametrize("batch_size", [1, 10, 100])
def test_after_a_half_life_half_of_the_way_is_gone_whatever_the_batch_size(batch_size):
    ema = ExponentialMovingAverage(network(0.0), half_life=100, ramp_up=0)
    for seen in range(batch_size, 101, batch_size):
        ema.update(network(1.0), images_seen=seen, batch_size=batch_size)
    assert moved(ema) == pytest.approx(0.5)


def test_early_weights_are_forgotten_sooner():
    slow, ramped = (ExponentialMovingAverage(network(0.0), half_life=1e6, ramp_up=r) for r in (0, 0.05))
    for seen in range(10, 1001, 10):
        slow.update(network(1.0), images_seen=seen, batch_size=10)
        ramped.update(network(1.0), images_seen=seen, batch_size=10)
    assert moved(slow) < 0.01 < 0.99 < moved(ramped)


def test_buffers_are_copied_and_the_average_never_trains():
    source = nn.BatchNorm1d(2)
    ema = ExponentialMovingAverage(source, half_life=1e6)
    source(torch.randn(50, 2) + 3)
    ema.update(source, images_seen=50, batch_size=50)
    assert torch.equal(ema.network.running_mean, source.running_mean)
    assert not ema.network.training and not any(p.requires_grad for p in ema.network.parameters())
