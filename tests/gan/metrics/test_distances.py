import pytest
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from fooling.errors import UserError
from gan.metrics.distances import frechet_distance, kernel_distance


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


def test_the_kernel_distance_is_what_torchmetrics_computes_of_one_subset_of_all():
    real, fake = features(400, 8, 1), features(400, 8, 2)
    assert kernel_distance(real, fake) == pytest.approx(poly_mmd(real.double(), fake.double()).item(), rel=1e-5)


def test_the_kernel_distance_is_unbiased_and_takes_any_numbers():
    """Of the same distribution it is 0 on average, however few samples there are; the Fréchet distance is not."""
    torch.manual_seed(0)
    found = torch.tensor([kernel_distance(torch.randn(20, 3), torch.randn(30, 3)) for _ in range(300)])
    assert abs(found.mean()) < 3 * found.std() / 300**0.5 and found.min() < 0
    assert kernel_distance(torch.randn(700, 3), torch.randn(300, 3) + 1) > 0.5
    with pytest.raises(UserError, match="1 fake samples are too few for a distance"):
        kernel_distance(torch.randn(9, 3), torch.randn(1, 3))
