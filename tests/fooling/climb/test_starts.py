import pytest
import torch

from fooling.climb.starts import KINDS, rubbish
from fooling.errors import UserError


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 33, 30)])
def test_every_kind_gives_images_in_the_box_that_follow_from_the_generator(kind, shape):
    real = torch.rand(5, *shape)
    images = KINDS[kind](7, real, seeded())
    assert images.shape == (7, *shape) and images.dtype == torch.float32
    assert images.min() >= 0 and images.max() <= 1
    assert images.equal(KINDS[kind](7, real, seeded()))
    assert not images.equal(KINDS[kind](7, real, seeded(1)))
    assert KINDS[kind](0, real, seeded()).shape == (0, *shape)


@pytest.mark.parametrize("kind", ["permuted", "patches"])
def test_shuffled_images_keep_their_pixels_and_lose_their_order(kind, digits):
    one = digits[0][:1]
    shuffled = KINDS[kind](3, one, seeded())
    for image in shuffled:
        assert image.flatten().sort().values.equal(one.flatten().sort().values)
        assert not image.equal(one[0])


def test_patches_stay_whole(digits):
    one = digits[0][:1]
    cut = one.view(4, 7, 4, 7).permute(0, 2, 1, 3).reshape(16, 49)
    shuffled = KINDS["patches"](1, one, seeded()).view(4, 7, 4, 7).permute(0, 2, 1, 3).reshape(16, 49)
    assert sorted(map(tuple, shuffled.tolist())) == sorted(map(tuple, cut.tolist()))


def test_faded_images_have_gone_a_third_of_the_way_or_more(digits):
    one = digits[0][:1]
    faded = KINDS["faded"](200, one, seeded())
    ink = one.flatten() - one.mean()
    left = (faded.flatten(1) - faded.flatten(1).mean(1, keepdim=True)) @ ink / (ink @ ink)
    assert 0.6 < left.max() < 0.8 and -0.1 < left.min() < 0.05 and 0.25 < left.mean() < 0.45


def test_noise_of_all_kinds_mixes_them():
    images = rubbish(["black", "white"], 200, torch.rand(2, 1, 28, 28), seeded())
    means = images.flatten(1).mean(1)
    assert 60 < (means < 0.1).sum() < 140
    assert (means < 0.1).sum() + (means > 0.9).sum() == 200


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="unknown noise 'pink': expected one of uniform, grey"):
        rubbish(["pink"], 1, torch.rand(1, 1, 28, 28), seeded())
