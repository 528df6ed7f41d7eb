import contextlib
import io

import pytest
import torch
from prdc import compute_prdc

from fooling.errors import UserError
from gan.metrics.precision_recall import overlap, reach


@pytest.mark.parametrize("neighbours", [1, 5])
def test_it_is_what_prdc_computes(neighbours):
    torch.manual_seed(0)
    real, fake = torch.randn(700, 6), torch.randn(600, 6) * 1.2 + 0.3
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = compute_prdc(real.numpy(), fake.numpy(), neighbours)
    assert vars(overlap(real, fake, neighbours=neighbours)) == pytest.approx(theirs, abs=2e-3)  # a tie or two


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
    assert (got.precision, got.recall, got.density, got.coverage) == (0.5, 0.75, 1.0, 1.0)
    assert overlap(real, fake, neighbours=1, real_reach=reach(real, 1)) == got
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
