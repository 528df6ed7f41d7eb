import pytest
import torch

from fooling.errors import UserError
from gan.augment import (
    AdaptiveProbability,
    Affine,
    AugmentConfig,
    Brightness,
    Chain,
    Contrast,
    Cutout,
    Flip,
    Saturation,
    Translation,
    augmentation_of,
    flip_reals,
    refuse_flips_of_writing,
)
from gan.draws import Draws
from gan.losses import loss_named, sign_of_reals

ALL = {
    "flip": Flip(),
    "translation": Translation(),
    "cutout": Cutout(),
    "affine": Affine(),
    "brightness": Brightness(),
    "saturation": Saturation(),
    "contrast": Contrast(),
    "chain": Chain([Flip(), Brightness(), Saturation(), Contrast(), Translation(), Cutout()]),
}
each = pytest.mark.parametrize("augmentation", ALL.values(), ids=ALL)


def pictures(n: int = 4, channels: int = 3, size: int = 8, dtype=torch.float32) -> torch.Tensor:
    source = torch.Generator().manual_seed(1)
    return torch.rand(n, channels, size, size + 1, dtype=dtype, generator=source)


def numbers(augmentation, n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, augmentation.numbers, generator=torch.Generator().manual_seed(seed))


@each
def test_at_probability_0_every_image_is_itself_to_the_bit(augmentation):
    images = pictures(200)
    for probability in (0.0, torch.zeros(())):
        assert torch.equal(augmentation(images, numbers(augmentation, 200), probability), images)


@each
def test_an_image_is_changed_by_its_own_numbers_alone(augmentation):
    images, drawn = pictures(50), numbers(augmentation, 50)
    whole = augmentation(images, drawn, 0.7)
    for rows in (slice(0, 1), slice(20, 33)):
        assert torch.equal(augmentation(images[rows], drawn[rows], 0.7), whole[rows])


@each
@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_so_many_are_changed(augmentation, probability):
    if isinstance(augmentation, Chain):
        return
    images, n = pictures(1).expand(4000, -1, -1, -1), 4000
    changed = (augmentation(images, numbers(augmentation, n), probability) != images).flatten(1).any(1)
    untouched = {Flip: 1 / 2, Translation: 1 - 1 / 9, Cutout: 1}.get(type(augmentation), 1)  # a move by 0 is none
    assert changed.float().mean().item() == pytest.approx(probability * untouched, abs=0.03)


@each
def test_gradients_pass_through_and_again(augmentation):
    images, drawn = pictures(2, dtype=torch.double).requires_grad_(), numbers(augmentation, 2, seed=3).double()
    assert torch.autograd.gradcheck(lambda x: augmentation(x, drawn, 1.0), images, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: augmentation(x, drawn, 1.0).square(), images, fast_mode=True)


def test_chains_are_done_or_not_one_by_one():
    drawn = numbers(chain := Chain([Brightness(), Translation()]), 4000)
    images = torch.full((4000, 1, 8, 8), 0.2)
    changed = chain(images, drawn, 0.5)
    bright = changed[:, 0, 4, 4] != 0.2
    moved = changed.flatten(1).amax(1) - changed.flatten(1).amin(1) > 1e-3
    assert (bright & moved).float().mean().item() == pytest.approx(0.5 * 0.5 * 8 / 9, abs=0.03)


def test_a_move_brings_in_grey_and_keeps_the_rest():
    images = pictures(9, size=8)
    drawn = torch.tensor([[0.0, up, left] for up in (0.1, 0.5, 0.9) for left in (0.1, 0.5, 0.9)])
    moved = Translation()(images, drawn, 1.0)
    for k, (down, right) in enumerate((d, r) for d in (-1, 0, 1) for r in (-1, 0, 1)):
        expected = torch.full((3, 10, 11), 0.5)
        expected[:, 1 + down : 9 + down, 1 + right : 10 + right] = images[k]
        assert torch.equal(moved[k], expected[:, 1:-1, 1:-1])
    far = Translation()(torch.zeros(500, 1, 28, 28), numbers(Translation(), 500), 1.0)
    columns = (far[:, 0, 14] == 0.5).sum(1)
    assert columns.max() == 3 and set(columns.tolist()) == {0, 1, 2, 3}


def test_an_affine_change_is_what_torch_interpolates():
    images, drawn = pictures(20, size=8), numbers(Affine(), 20)
    angle, scale, shear, right, down = ((2 * drawn[:, 1:] - 1) * torch.tensor([0.2, 0.1, 0.1, 0.2, 0.2])).T
    cosine, sine = (1 + scale) * angle.cos(), (1 + scale) * angle.sin()
    # From (x, y) in [-1, 1] to the place that is shown there; an image is 8 high and 9 wide.
    rows = [cosine, (cosine * shear - sine) * 8 / 9, right, sine * 9 / 8, sine * shear + cosine, down]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, 1).view(20, 2, 3), images.shape, align_corners=False)
    expected = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(Affine()(images, drawn, 1.0), expected)


def test_a_cut_is_half_as_wide_as_the_image_wherever_its_middle_is():
    cut = Cutout()(torch.zeros(2000, 1, 8, 8), numbers(Cutout(), 2000), 1.0)[:, 0] == 0.5
    heights, widths = cut.any(2).sum(1), cut.any(1).sum(1)
    assert torch.equal(cut.sum((1, 2)), heights * widths)  # one rectangle
    assert set(heights.tolist()) == set(widths.tolist()) == {2, 3, 4}
    assert cut.float().mean((1, 2)).max() == 0.25


def test_colours_are_moved_as_far_as_diffaugment_moves_them():
    images, ends = pictures(2), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    shift = Brightness()(images, ends, 1.0) - images
    torch.testing.assert_close(shift, torch.tensor([-0.25, 0.25])[:, None, None, None].expand_as(shift))
    saturated = Saturation()(images, ends, 1.0)
    grey = images.mean(1, keepdim=True)
    torch.testing.assert_close(saturated[:1], grey[:1].expand(-1, 3, -1, -1))
    torch.testing.assert_close(saturated[1:] - grey[1:], 2 * (images[1:] - grey[1:]))
    contrasts = Contrast()(images, ends, 1.0).std((1, 2, 3)) / images.std((1, 2, 3))
    assert contrasts.tolist() == pytest.approx([0.5, 1.5])


def test_grey_images_have_no_saturation_and_nothing_named_is_nothing():
    def chosen(policy, channels):
        return [type(a) for a in augmentation_of(AugmentConfig(policy=policy), (channels, 8, 8)).augmentations]

    assert chosen(["colour", "cutout"], 3) == [Brightness, Saturation, Contrast, Cutout]
    assert chosen(["flip", "colour", "translation"], 1) == [Flip, Brightness, Contrast, Translation]
    assert augmentation_of(AugmentConfig(), (3, 8, 8)) is None


def test_the_probability_follows_the_signs_at_the_speed_that_was_asked_for():
    adaptive = AdaptiveProbability(AugmentConfig(policy=["cutout"], target=0.6, kimg=1, probability=0.8))
    seen = []
    for sign in [0.9] * 20 + [0.3] * 5 + [0.6] * 3 + [0.0] * 20:
        adaptive.update(torch.tensor(sign), 50)
        seen.append(adaptive.probability.item())
    assert seen[:15] == pytest.approx([0.05 * k for k in range(1, 16)])
    assert seen[19] == pytest.approx(0.8)  # no further than asked for
    assert seen[24] == pytest.approx(0.55) == pytest.approx(seen[27])
    assert seen[-1] == 0


def test_the_probability_is_saved_with_a_run():
    config = AugmentConfig(policy=["cutout"], target=0.6)
    begun, resumed = AdaptiveProbability(config), AdaptiveProbability(config)
    begun.update(torch.tensor(1.0), 5000)
    resumed.load_state_dict(begun.state_dict())
    for adaptive in (begun, resumed):
        adaptive.update(torch.tensor(1.0), 64)
    assert torch.equal(begun.probability, resumed.probability) and begun.probability > 0.01


SIGNS = {
    "hinge": [1, 1, -1, 1],
    "non-saturating": [1, 1, -1, 1],
    "least-squares": [1, -1, -1, 1],  # its scores are 0 and 1, and part at 1/2
    "relativistic": [1, -1, 1, -1],
    "wasserstein": [1, -1, 1, -1],
}


@pytest.mark.parametrize(("name", "signs"), SIGNS.items(), ids=SIGNS)
def test_how_sure_of_reals_a_discriminator_is_is_told_from_where_its_loss_parts_them(name, signs):
    real, fake = torch.tensor([0.7, 0.2, -0.1, 3.0]), torch.tensor([0.0, 0.9, -2.0, 5.0])
    assert sign_of_reals(loss_named(name), real, fake).tolist() == signs


REFUSED = {
    "unknown": (
        dict(policy=["rotate"]),
        "each of policy must be translation, cutout, colour, flip or affine, got 'rotate'",
    ),
    "American": (dict(policy=["color"]), "did you mean colour"),
    "percent": (dict(probability=50.0), "augment.probability must be from 0 to 1"),
    "final": (dict(final_probability=-1.0), "augment.final_probability must be from 0 to 1"),
    "too sure": (dict(policy=["cutout"], target=1.0), "augment.target must be at least 0 and below 1"),
    "two masters": (dict(policy=["cutout"], target=0.6, final_probability=0.0), "does not go with augment.target"),
    "nothing to do": (dict(target=0.6), "augment.target needs something to do"),
    "no time": (dict(kimg=0.0), "augment.kimg must be above 0"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        AugmentConfig(**settings)


def test_half_of_the_reals_are_mirrored_the_same_on_any_number_of_processes():
    images = pictures(1000)
    flipped = flip_reals(images, Draws(7, 1000))
    is_mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    assert torch.equal(flipped[~is_mirrored], images[~is_mirrored])
    assert is_mirrored.float().mean().item() == pytest.approx(0.5, abs=0.05)
    parts = [flip_reals(images[rows], Draws(7, 1000, rows)) for rows in (slice(0, 300), slice(300, 1000))]
    assert torch.equal(torch.cat(parts), flipped)


@pytest.mark.parametrize("name", ["mnist", "stacked-mnist", "kmnist", "emnist-letters", "svhn"])
def test_what_is_written_is_not_mirrored(name):
    with pytest.raises(UserError, match=f"flip_reals is not for {name}: mirrored digits and letters are none"):
        refuse_flips_of_writing(name, "flip_reals")
    refuse_flips_of_writing("cifar10", "flip_reals")
