import pytest
import torch

from gan.metrics.neighbours import copying, nearest


def test_the_nearest_are_found():
    training = torch.tensor([[0.0, 0.0], [3.0, 4.0], [10.0, 0.0]])
    distances, rows = nearest(torch.tensor([[3.0, 4.5], [0.0, 1.0], [10.0, 0.0]]), training)
    assert rows.tolist() == [1, 0, 2]
    assert distances.tolist() == pytest.approx([0.5, 1, 0], abs=1e-3)


def test_copies_are_told_from_new_images_of_the_same_kind():
    torch.manual_seed(0)
    training, test = torch.randn(3000, 4), torch.randn(1000, 4)
    as_new_as_test, of_test = nearest(torch.randn(1000, 4), training)[0], nearest(test, training)[0]
    fair = copying(as_new_as_test, of_test)
    assert fair.ratio == pytest.approx(1, abs=0.1) and fair.share < 0.03
    a_tenth = copying(torch.cat([as_new_as_test[:900], nearest(training[:100], training)[0]]), of_test)
    assert a_tenth.ratio == pytest.approx(0.9, abs=0.15) and a_tenth.share == pytest.approx(0.11, abs=0.02)
    copier = copying(nearest(training[:1000] + 1e-3, training)[0], of_test)
    assert copier.ratio < 0.05 and copier.share > 0.95
    assert copying(nearest(torch.randn(1000, 4) * 5, training)[0], of_test).ratio > 2
