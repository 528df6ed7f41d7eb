"""Randomness as a function: one seed out of (seed, purpose, images seen)."""

from __future__ import annotations

import hashlib
import operator


def seed_of(*parts: int | str) -> int:
    """One 63-bit seed out of whole numbers and words, such as (seed, "noise", step): the same on every machine.

    Other parts, or more of them, give a seed that has nothing to do with this one.
    """
    parts = tuple(p if isinstance(p, str) else operator.index(p) for p in parts)
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1
