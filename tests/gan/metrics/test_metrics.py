import pytest
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from fooling.errors import UserError
from gan.metrics.distances import frechet_distance
from gan.metrics.precision_recall import overlap


def features(n: int, d: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(n, d, generator=generator) @ torch.randn(d, d, generator=generator)
    return mixed + seed


def test_it_is_what_torchmetrics_computes():
    real, fake = features(400, 8, 1), features(300, 8, 2)
    extractor = nn.Identity()
    extractor.num_features = 8
    peer = FrechetInceptionDistance(feature=extractor)
    peer.update(real, real=True)
    peer.update(fake, real=False)
    assert frechet_distance(real, fake) == pytest.approx(peer.compute().item(), rel=1e-4)


def test_of_gaussians_with_known_moments_it_is_known():
    """With C2 = 4 C1 the cross term is exact: |m1 - m2|^2 + tr C1 (1 + 4 - 2 * 2)."""
    real = features(1000, 5, 3)
    fake = 2 * (real - real.mean(0)) + real.mean(0) + 3
    assert frechet_distance(real, fake) == pytest.approx(5 * 9 + torch.cov(real.T.double()).trace().item(), rel=1e-5)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6)


def test_it_bears_features_that_never_vary():
    real = torch.cat([features(100, 3, 1), torch.zeros(100, 2)], 1)
    assert frechet_distance(real, real + 1) == pytest.approx(5, rel=1e-5)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (torch.zeros(5, 8), torch.zeros(50, 8), "5 real samples are too few for 8 features"),
        (torch.zeros(50, 8), torch.zeros(8, 8), "8 fake samples are too few"),
        (torch.zeros(50, 8), torch.zeros(50, 7), "expected features"),
    ],
)
def test_too_few_or_unequal_features_are_refused(real, fake, message):
    with pytest.raises(UserError, match=message):
        frechet_distance(real, fake)


def test_overlap_tells_a_lost_mode_from_a_false_one():
    torch.manual_seed(0)
    left, right = torch.randn(500, 2), torch.randn(500, 2) + 50
    both = torch.cat([left, right])
    half = overlap(both, torch.randn(1000, 2))
    assert half.precision > 0.9 and half.recall == pytest.approx(0.5, abs=0.05) and half.coverage < 0.55
    false = overlap(left, torch.cat([torch.randn(500, 2), torch.randn(500, 2) - 50]))
    assert false.precision == pytest.approx(0.5, abs=0.05) and false.recall > 0.9 and false.coverage > 0.9
    collapsed = overlap(left, left[:1] + torch.randn(500, 2) * 1e-3)
    assert collapsed.precision > 0.9 and collapsed.recall < 0.05 and collapsed.coverage < 0.05


def test_overlap_of_a_few_points_is_what_one_counts():
    """Reaches with one neighbour: of the reals 1, 1, 1 and 8, of the fakes 2, 2, 1 and 1."""
    real, fake = torch.tensor([[0.0], [1.0], [2.0], [10.0]]), torch.tensor([[0.5], [2.5], [20.0], [21.0]])
    got = overlap(real, fake, neighbours=1)
    assert (got.precision, got.recall, got.coverage) == (0.5, 0.75, 1.0)
    with pytest.raises(UserError, match="4 neighbours need more samples than 4"):
        overlap(real, fake, neighbours=4)


def test_overlap_in_blocks_is_overlap_at_once():
    torch.manual_seed(0)
    real, fake = torch.randn(1500, 3), torch.randn(1300, 3) * 1.2
    distances = torch.cdist(real, fake)
    reach = torch.cdist(real, real).sort(1).values[:, 5]
    got = overlap(real, fake, neighbours=5)
    assert got.precision == pytest.approx((distances <= reach[:, None]).any(0).float().mean().item(), abs=2e-3)
    assert got.coverage == pytest.approx((distances <= reach[:, None]).any(1).float().mean().item(), abs=2e-3)
