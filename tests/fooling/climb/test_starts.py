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


# Every 60th pixel of three images from the 35th on, and what the generator draws next.
DRAWN = {
    "uniform": (
        [0.0317195058, 0.17565155, 0.017784059, 0.56379652, 0.0542120934, 0.695621312, 0.835665166],
        0.924389064,
    ),
    "grey": ([0.490634412, 0.493513048, 0.4903557, 0.501275957, 0.491084248, 0.503912449, 0.506713331], 0.924389064),
    "black": (
        [0.000634390104, 0.00351303094, 0.000355681172, 0.0112759303, 0.0010842419, 0.0139124263, 0.0167133026],
        0.924389064,
    ),
    "white": ([0.980634391, 0.983513057, 0.98035568, 0.991275966, 0.981084287, 0.993912458, 0.99671334], 0.924389064),
    "flat": ([0.500718772, 0.488455772, 0.766107678, 0.776296735, 0.767084181, 0.097221382, 0.0826905742], 0.320857525),
    "binary": ([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0], 0.320857525),
    "sparse": ([0.165458322, 0.0, 0.689879417, 0.0, 0.925972223, 0.0, 0.0], 0.992174923),
    "smooth": (
        [0.400544584, 0.228622854, 0.378491968, 0.305073917, 0.424768478, 0.860985696, 0.776767433],
        0.320857525,
    ),
    "permuted": (
        [0.804166675, 0.915277779, 0.843055546, 0.893055558, 0.98888886, 0.690277755, 0.718055546],
        0.0942266583,
    ),
    "patches": ([0.0, 0.934722245, 0.895833313, 0.0, 0.976388872, 0.645833313, 0.0], 0.997066557),
    "faded": ([0.24540472, 0.658848166, 0.119462222, 0.140453309, 0.160414115, 0.0719091073, 0.1263794], 0.83621645),
    "acet": ([0.122350402, 0.793084264, 0.656221747, 0.548443615, 0.242266029, 0.0715106279, 0.496393591], 0.770517826),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_what_it_always_drew(kind):
    """Whoever resumes a run or makes a figure again gets the same noise, and everything drawn after it as well."""
    generator, real = seeded(), (torch.arange(720.0) / 720).view(5, 2, 8, 9)
    images = KINDS[kind](3, real, generator)
    pixels, afterwards = DRAWN[kind]
    to_the_bit = kind not in ("smooth", "acet")  # a convolution adds up in an order of its own on each processor
    torch.testing.assert_close(images.flatten()[35::60], torch.tensor(pixels), rtol=0, atol=0 if to_the_bit else 1e-6)
    assert torch.rand((), generator=generator).equal(torch.tensor(afterwards))


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


def test_what_four_by_four_patches_do_not_cover_is_black():
    images = KINDS["patches"](2, torch.full((1, 3, 11, 14), 0.5), seeded())
    assert (images[..., :8, :12] == 0.5).all() and images[..., 8:, :].eq(0).all() and images[..., 12:].eq(0).all()
    assert KINDS["patches"](2, torch.ones(1, 1, 3, 28), seeded()).eq(0).all()


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
