"""What is drawn for an image does not depend on who draws it."""

import torch

from gan.draws import Draws


def drawn(draws: Draws) -> list[torch.Tensor]:
    return [draws.uniform(2), draws.normal(1, 3), draws.uniform()]


def test_processes_have_together_what_one_has():
    whole = drawn(Draws(7, 12))
    parts = [drawn(Draws(7, 12, slice(start, start + 4))) for start in (0, 4, 8)]
    assert all(torch.equal(torch.cat(part), one) for part, one in zip(zip(*parts, strict=True), whole, strict=True))
    assert [tuple(one.shape) for one in whole] == [(12, 2), (12, 1, 3), (12,)]


def test_parts_of_a_share_begin_anew_and_add_up_to_it_whatever_was_drawn_before():
    draws = Draws(7, 12, slice(5, 12))
    share = drawn(draws)
    parts = draws.split(3)  # as torch.chunk does it: 3, 3 and 1
    assert [len(part.uniform()) for part in parts] == [3, 3, 1]
    parts = [drawn(part) for part in draws.split(3)]
    assert all(torch.equal(torch.cat(part), one) for part, one in zip(zip(*parts, strict=True), share, strict=True))


def test_each_call_and_each_seed_draws_anew_in_the_range_that_is_promised():
    draws = Draws(7, 1000)
    first, second, other = draws.uniform(), draws.uniform(), Draws(8, 1000).uniform()
    assert not torch.equal(first, second) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() < 1 and abs(first.mean() - 0.5) < 0.05
    assert abs(draws.normal().std() - 1) < 0.1
