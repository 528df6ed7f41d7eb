import pytest
import torch

from fooling.errors import UserError
from gan.latent import interpolate, walk


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


def test_latents_of_two_lengths_are_refused():
    with pytest.raises(UserError, match="expected two latents"):
        interpolate(torch.zeros(3), torch.zeros(4), 2)
