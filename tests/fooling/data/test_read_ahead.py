import mmap

import numpy as np
import pytest
import torch

from fooling.data import read_ahead
from fooling.data.batches import Batches
from fooling.data.read_ahead import ask_for
from fooling.images import Images


@pytest.fixture
def mapped(tmp_path):
    """400 images of 12 kB each in a file."""
    images = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (400, 3, 64, 64))
    images[:] = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
    images.flush()
    return torch.from_numpy(np.lib.format.open_memmap(tmp_path / "images.npy", "c"))


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="this system cannot be asked")
def test_every_byte_of_a_batch_is_asked_for_before_it_is_read(mapped, monkeypatch):
    asked, madvise = [], read_ahead._madvise()

    def advise(start, length, advice):
        assert madvise(start, length, advice) == 0  # else the system has refused
        asked.append(range(start - mapped.data_ptr(), start - mapped.data_ptr() + length))
        return 0

    monkeypatch.setattr(read_ahead, "_madvise", lambda: advise)
    batches = Batches(Images(mapped, None))
    batches.take(0, 8)
    assert asked == []  # so few bytes stay in memory
    monkeypatch.setattr(read_ahead, "_SMALL", 2**20)
    size = mapped[0].nbytes
    taken, _ = batches.take(8, 8)
    assert len(asked) == 8
    for row, image, pages in zip(batches.indices(8, 8).tolist(), taken, asked, strict=True):
        assert pages.start <= row * size and pages.stop == (row + 1) * size and len(pages) < size + mmap.PAGESIZE
        assert image.mul(255).round().to(torch.uint8).equal(mapped[row])


def test_where_the_system_cannot_be_asked_nothing_is(mapped, monkeypatch):
    monkeypatch.setattr(read_ahead, "_SMALL", 0)
    monkeypatch.setattr(read_ahead, "_madvise", lambda: None)
    ask_for(mapped, torch.arange(5))
