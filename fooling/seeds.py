"""Randomness as a function: one seed out of (seed, purpose, images seen)."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator
from contextlib import contextmanager


def seed_of(*parts: int | str) -> int:
    """One 63-bit seed out of whole numbers and words, such as (seed, "noise", step): the same on every machine.

    Other parts, or more of them, give a seed that has nothing to do with this one.
    """
    parts = tuple(p if isinstance(p, str) else operator.index(p) for p in parts)
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block, torch's global generator on the CPU starts from `seed`; after it, it is as it was before."""
    import torch  # not above: the command line's help loads no torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
