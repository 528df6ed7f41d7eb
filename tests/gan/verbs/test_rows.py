"""Rows of images: every image is there, in its row, with hard edges; and nothing where there is none."""

import numpy as np
import torch

from gan.verbs.rows import draw_rows


def test_every_image_stands_in_its_row():
    """Of five plain images, each of a grey of its own, three above and two below."""
    greys = [30, 60, 90, 120, 150]
    images = (torch.tensor(greys) / 255).view(5, 1, 1, 1).expand(-1, 1, 8, 8)
    picture = draw_rows([images[:3], images[3:]], ["above", "below"], title="two rows")
    assert picture.dtype == np.uint8 and (picture == picture[..., :1]).all()
    where = [np.argwhere(picture[..., 0] == grey) for grey in greys]
    assert all(80 * 80 <= len(w) < 80 * 80 + 100 for w in where)  # blocks of ten pixels; letters have greys too
    tops, lefts = zip(*(np.median(w, 0).astype(int) for w in where), strict=True)
    assert len(set(tops[:3])) == len(set(tops[3:])) == 1 and tops[3] - tops[0] > 80
    assert np.diff(lefts[:3]).tolist() == [82, 82] and lefts[3:] == lefts[:2]


def test_large_images_are_drawn_as_they_are_and_a_row_may_be_empty():
    images = torch.full((2, 3, 100, 100), 90 / 255)
    picture = draw_rows([images[:0], images], ["none", "two"], title="one row")
    assert 0 <= (picture == 90).all(2).sum() - 2 * 100 * 100 < 50  # letters have greys too
