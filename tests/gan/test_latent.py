import pytest
import torch

from fooling.errors import UserError
from gan.latent import class_means, combine, draw_latents, interpolate, rotate, shift, walk


def test_the_way_keeps_the_length_that_normal_latents_have():
    torch.manual_seed(0)
    start, end = torch.randn(2, 64)
    way = interpolate(start, end, 10)
    assert way.shape == (10, 64)
    torch.testing.assert_close(way[0], start)
    torch.testing.assert_close(way.norm(dim=1), torch.lerp(start.norm(), end.norm(), torch.arange(10) / 10))


def test_steps_are_of_equal_angle():
    way = interpolate(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 3)
    torch.testing.assert_close(torch.atan2(way[:, 1], way[:, 0]), torch.tensor([0.0, 1, 2]) * torch.pi / 6)


@pytest.mark.parametrize("end", [[2.0, 0.0], [-1.0, 0.0]], ids=["same direction", "opposite"])
def test_without_a_circle_it_goes_straight(end):
    way = interpolate(torch.tensor([1.0, 0.0]), torch.tensor(end), 4)
    torch.testing.assert_close(
        way, torch.lerp(torch.tensor([1.0, 0.0]), torch.tensor(end), torch.arange(4)[:, None] / 4)
    )


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_a_zero_latent_has_no_direction_and_the_way_is_straight(start, end):
    way = interpolate(torch.full((3,), start), torch.full((3,), end), 4)
    torch.testing.assert_close(
        way, torch.lerp(torch.tensor(start), torch.tensor(end), torch.arange(4)[:, None] / 4 * torch.ones(3))
    )


def test_the_way_is_made_where_its_latents_are():
    start, end = torch.eye(2, dtype=torch.float64)
    with torch.device("meta"):  # what names no device is made on another one
        way = interpolate(start, end, 2)
    assert way.dtype == torch.float64
    torch.testing.assert_close(way, torch.tensor([[1, 0], [0.5**0.5, 0.5**0.5]], dtype=torch.float64))


def test_a_walk_passes_every_latent_and_closes():
    torch.manual_seed(0)
    latents = torch.randn(3, 8)
    tour = walk(latents, steps=5)
    assert tour.shape == (15, 8)
    torch.testing.assert_close(tour[::5], latents)
    longest = (tour - tour.roll(-1, 0)).norm(dim=1).max()
    assert longest < (latents - latents.roll(-1, 0)).norm(dim=1).min()


def test_an_open_walk_ends_on_the_last_latent():
    latents = draw_latents(3, 8, seed=0)
    way = walk(latents, steps=5, closed=False)
    assert way.shape == (11, 8)
    torch.testing.assert_close(way[::5], latents)
    assert torch.equal(walk(latents[:1], closed=False), latents[:1])


def test_a_straight_way_has_equal_steps_and_cuts_through_short_latents():
    start, end = draw_latents(2, 64, seed=0)
    way = interpolate(start, end, 10, way="straight")
    torch.testing.assert_close(way.diff(dim=0), ((end - start) / 10).expand(9, -1))
    assert way[5].norm() < 0.8 * min(start.norm(), end.norm()) < interpolate(start, end, 10)[5].norm()


def test_what_two_classes_differ_in_is_found_and_turns_one_into_the_other():
    """Latents draw a 1 where their first number is positive, else a 0."""
    latents = draw_latents(2000, 8, seed=0)
    means = class_means(latents, (latents[:, 0] > 0).long())
    expected = torch.zeros(2, 8)
    expected[:, 0] = torch.tensor([-1, 1]) * (2 / torch.pi) ** 0.5  # the mean of half a normal distribution
    torch.testing.assert_close(means, expected, atol=0.1, rtol=0)

    fresh = draw_latents(1000, 8, seed=1)
    zeros = fresh[fresh[:, 0] < 0]
    direction = means[1] - means[0]
    moved = shift(zeros, direction, [0, 1, 2])
    torch.testing.assert_close(moved[0], zeros)
    torch.testing.assert_close(moved.norm(dim=2), zeros.norm(dim=1).expand(3, -1))
    as_it_comes = shift(zeros, direction, [0, 1, 2], keep_length=False)
    torch.testing.assert_close(as_it_comes[2] - zeros, (2 * direction).expand_as(zeros))
    shares = (moved[:, :, 0] > 0).float().mean(1)
    assert shares[0] == 0 < shares[1] < shares[2] and shares[2] > 0.99


def test_a_class_that_is_never_drawn_has_no_mean():
    means = class_means(torch.ones(3, 2), torch.tensor([0, 2, 2]))
    assert means[[0, 2]].eq(1).all() and means[1].isnan().all()


def test_what_is_added_up_is_no_longer_than_what_went_in():
    add, subtract = draw_latents(3, 64, seed=0).split([2, 1])
    total = combine(add, subtract)
    assert total.norm() == pytest.approx(torch.cat([add, subtract]).norm(dim=1).mean().item())
    assert torch.nn.functional.cosine_similarity(total, add[0] + add[1] - subtract[0], 0) == pytest.approx(1)


def test_neighbours_are_so_many_degrees_away_and_as_long():
    latents, others = draw_latents(20, 64, seed=0).split(10)
    near = rotate(latents, others, 30)
    torch.testing.assert_close(near.norm(dim=1), latents.norm(dim=1))
    cosines = torch.nn.functional.cosine_similarity(near, latents)
    torch.testing.assert_close(cosines, torch.full((10,), 3**0.5 / 2))
    assert (torch.nn.functional.cosine_similarity(near, others) > 0.3).all()
    torch.testing.assert_close(rotate(latents, others, 0), latents)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interpolate(torch.zeros(3), torch.zeros(4), 2), "expected two latents"),
        (lambda: interpolate(torch.zeros(3), torch.zeros(3), 2, way="crooked"), "way must be circle or straight"),
        (lambda: class_means(torch.zeros(3, 2), torch.zeros(2).long()), "labels"),
        (lambda: shift(torch.zeros(3, 2), torch.zeros(3), [1]), "direction"),
    ],
)
def test_latents_that_do_not_fit_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
