"""Grids, PNG files and GIFs hold exactly the pixels they were given."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from fooling.errors import UserError
from fooling.files import write_gif, write_png
from fooling.images import to_uint8
from fooling.show.grids import grid


def test_floats_round_to_the_nearest_of_256_levels_and_clip():
    assert to_uint8(torch.tensor([-1.0, 0.0, 0.499 / 255, 0.501 / 255, 0.5, 1.0, 7.0])).tolist() == [
        0, 0, 0, 1, 128, 255, 255,
    ]  # fmt: skip


def test_uint8_images_stay_as_they_are():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(to_uint8(images), images)


def test_every_image_stands_in_its_cell():
    images = torch.linspace(0.2, 1, 5).view(5, 1, 1, 1).expand(5, 1, 3, 4)
    picture = grid(images, columns=2, padding=1, background=7)
    assert picture.shape == (3 * 4 + 1, 2 * 5 + 1, 3) and picture.dtype == np.uint8
    for i in range(5):
        row, column = divmod(i, 2)
        cell = picture[1 + row * 4 : 4 + row * 4, 1 + column * 5 : 5 + column * 5]
        assert (cell == to_uint8(images[i]).flatten()[0].item()).all()
    assert (picture[9:12, 6:10] == 7).all()  # the empty sixth cell
    assert (picture[0] == 7).all() and (picture[:, 0] == 7).all()


def test_colour_channels_keep_their_order():
    picture = grid(torch.tensor([1.0, 0.0, 0.5]).view(1, 3, 1, 1), padding=0)
    assert picture.tolist() == [[[255, 0, 128]]]


def test_scale_makes_hard_edged_blocks():
    checker = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).view(1, 1, 2, 2)
    picture = grid(checker, padding=0, scale=3)[..., 0]
    assert picture.shape == (6, 6) and set(np.unique(picture)) == {0, 255}
    assert (picture[:3, :3] == 0).all() and (picture[:3, 3:] == 255).all()


@pytest.mark.parametrize(("pixels", "times"), [(8, 8), (28, 3), (32, 2), (48, 2), (64, 1), (256, 1)])
def test_small_images_are_enlarged_by_a_whole_number_until_they_can_be_seen(pixels, times):
    images = torch.rand(2, 1, pixels - 2, pixels)
    assert np.array_equal(grid(images, scale=None), grid(images, scale=times))
    assert 64 <= times * pixels < 128 or times == 1


def test_a_grid_without_columns_is_as_square_as_it_gets():
    assert grid(torch.rand(10, 1, 5, 5), padding=0).shape == (15, 20, 3)


def image_by_image(images, columns, padding, background, scale):
    """What a grid is, one image after the other."""
    tiles = to_uint8(images).permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy().repeat(scale, 1).repeat(scale, 2)
    n, height, width, _ = tiles.shape
    columns = min(n, columns or int(np.ceil(np.sqrt(n))))
    size = (-(-n // columns) * (height + padding) + padding, columns * (width + padding) + padding, 3)
    picture = np.full(size, background, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (
            padding + place * (side + padding) for place, side in zip(divmod(i, columns), (height, width), strict=True)
        )
        picture[top : top + height, left : left + width] = tile
    return picture


@pytest.mark.parametrize("n", [1, 2, 3, 7, 12, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bytes_", [False, True])
def test_a_grid_is_the_same_to_the_pixel_as_images_laid_down_one_by_one(n, channels, bytes_):
    images = torch.rand(n, channels, 5, 3, generator=torch.Generator().manual_seed(n))
    images = to_uint8(images) if bytes_ else images
    for columns, padding, background, scale in itertools.product((None, 1, 2, 5, 100), (0, 1, 3), (0, 255), (1, 2, 3)):
        picture = grid(images, columns, padding=padding, background=background, scale=scale)
        expected = image_by_image(images, columns, padding, background, scale)
        assert picture.dtype == np.uint8 and not np.shares_memory(picture, images.numpy())
        assert np.array_equal(picture, expected), (columns, padding, background, scale)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(28, 28), "shape"),
        (torch.rand(0, 1, 4, 4), "shape"),
        (torch.rand(2, 2, 4, 4), "shape"),
        (torch.full((1, 1, 2, 2), torch.nan), "NaN"),
    ],
)
def test_what_cannot_be_drawn_is_refused(images, message):
    with pytest.raises(UserError, match=message):
        grid(images)
    with pytest.raises(UserError, match="scale must be a whole number of at least 1, got 0"):
        grid(torch.rand(1, 1, 2, 2), scale=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_reads_back_the_same(tmp_path, channels):
    picture = grid(torch.rand(4, channels, 5, 5))
    path = write_png(picture, tmp_path / "new folder" / "a.png")
    with Image.open(path) as read:
        assert np.array_equal(np.asarray(read.convert("RGB")), picture)


def frames_of(path):
    with Image.open(path) as film:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]


@pytest.mark.parametrize(("channels", "count"), [(1, 6), (3, 4)])
def test_a_gif_reads_back_every_frame_and_its_time(tmp_path, channels, count):
    # As many colours as the format has: 64 pixels in each frame, each of its own.
    frames = [grid(torch.rand(1, channels, 8, 8), padding=0, scale=4) for _ in range(count)]
    path = write_gif(iter(frames), tmp_path / "a.gif", fps=20, hold=1.5)
    assert all(map(np.array_equal, frames_of(path), frames))
    with Image.open(path) as film:
        assert film.n_frames == count and film.info["loop"] == 0
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(film)] == [50] * (count - 1) + [1550]


def drifting(height=80, width=120, count=8):
    """A film of thousands of colours: a coloured cloud that moves on, a still half, and noise too faint to be seen."""
    y, x = np.mgrid[:height, :width] / width
    source = np.random.default_rng(0)
    for t in range(count):
        cloud = np.stack([np.sin(5 * x + t / 4), np.cos(4 * y - t / 5), np.sin(3 * (x + y))], -1)
        cloud[:, : width // 2] = y[:, : width // 2, None]
        frame = np.uint8(120 + 100 * cloud + source.integers(0, 3, (height, width, 1)))
        yield np.pad(frame, ((0, 8), (0, 0), (0, 0)), constant_values=255)


@pytest.mark.parametrize("colours", [256, 64])
def test_a_film_of_many_colours_is_near_in_one_palette_and_stores_only_what_changes(tmp_path, colours):
    frames = list(drifting())
    path = write_gif(frames, tmp_path / "a.gif", colours=colours)
    read = frames_of(path)
    assert len({tuple(c) for frame in read for c in frame.reshape(-1, 3)}) <= colours
    errors = np.abs(np.int16(read) - np.int16(frames))
    assert errors.mean() < (6 if colours == 256 else 10) and errors.max() < 80
    assert np.ptp(np.stack(read)[:, :, :60], axis=0).max() == 0  # the still half stands still
    assert np.min(np.stack(read)[:, 80:]) == 255  # and what is white is white
    one_by_one = [write_gif([frame], tmp_path / f"{i}.gif").stat().st_size for i, frame in enumerate(frames)]
    assert path.stat().st_size < 0.7 * sum(one_by_one)


def test_fewer_colours_make_a_smaller_film_of_greys_too(tmp_path):
    frames = [grid(torch.rand(1, 1, 32, 32), padding=0) for _ in range(4)]
    fine, coarse = (write_gif(frames, tmp_path / f"{n}.gif", colours=n) for n in (256, 16))
    assert all(map(np.array_equal, frames_of(fine), frames))
    assert coarse.stat().st_size < fine.stat().st_size * 0.7
    assert np.abs(np.int16(frames_of(coarse)) - np.int16(frames)).mean() < 12


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    good = [np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8)]
    for frames, fps in [([], 10), ([good[0], good[0][:2]], 10), (good, 0), (good, 1000)]:
        with pytest.raises(UserError):
            write_gif(frames, tmp_path / "a.gif", fps=fps)
    with pytest.raises(UserError, match="colours must be 2 to 256"):
        write_gif(good, tmp_path / "a.gif", colours=300)
    with pytest.raises(UserError):
        write_png(np.zeros((4, 4)), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
