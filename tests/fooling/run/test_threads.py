"""How many threads a process computes with, and when it computes with fewer."""

import pytest
import torch

from fooling.classifiers.train import TrainConfig, train
from fooling.run import computing, threads
from fooling.run.threads import Threads, cores, paying_threads, quicker, threads_per_process
from fooling.run.tracking import WandbConfig


@pytest.mark.parametrize(
    ("told", "by_launcher", "launcher_was_told", "asked"),
    [
        (None, None, None, False),
        ("1", None, None, True),
        ("1", "ACCELERATE_MIXED_PRECISION", None, False),  # set by accelerate launch or torchrun, unasked
        ("1", "TORCHELASTIC_RUN_ID", None, False),
        ("1", "ACCELERATE_MIXED_PRECISION", "1", True),  # set by who launched it
        ("1", "TORCHELASTIC_RUN_ID", "1", True),
        ("3", "TORCHELASTIC_RUN_ID", None, True),
    ],
)
def test_a_persons_omp_num_threads_is_heard_and_a_launchers_is_not(
    told, by_launcher, launcher_was_told, asked, monkeypatch
):
    for name in ("OMP_NUM_THREADS", "ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    if by_launcher:
        monkeypatch.setenv(by_launcher, "x")
    monkeypatch.setattr(threads, "launcher_was_told", lambda variable: launcher_was_told)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)  # what OMP_NUM_THREADS came to
    assert threads_per_process() == (77 if asked else cores())


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_one_thread_goes_on_while_several_do_not_pay(three_threads):
    asked, said, answer = [], [], 3

    def trial(most):
        asked.append(most)
        return answer

    threads = Threads(3, said.append, trial=trial)
    assert asked == [3] and torch.get_num_threads() == 3 and not said
    for _ in range(50):
        threads.stepped(0.1)
    assert asked == [3]  # the speed is what it was
    answer = 1
    for _ in range(4):
        threads.stepped(1.0)
    assert asked == [3, 3] and torch.get_num_threads() == 1
    assert len(said) == 1 and "busy" in said[0] and "--threads 3" in said[0]
    for _ in range(24):
        threads.stepped(1.0)
    assert len(asked) == 2  # not all the time
    for _ in range(8):
        threads.stepped(1.0)
    assert len(asked) == 3 and torch.get_num_threads() == 1 and len(said) == 1
    answer = 3
    for _ in range(32):
        threads.stepped(1.0)
    assert torch.get_num_threads() == 3 and said[1:] == ["going on with 3 threads again"]


@pytest.mark.parametrize(("given", "best", "within"), [(False, 1, 1), (False, 3, 3), (True, 1, 3)])
def test_a_verb_computes_with_the_threads_that_pay_and_leaves_them_as_they_were(
    three_threads, monkeypatch, capsys, given, best, within
):
    monkeypatch.setattr(threads, "threads_are_given", lambda: given)
    monkeypatch.setattr(threads, "quicker", lambda most: best)

    @paying_threads()
    def verb():
        assert torch.get_num_threads() == within
        raise ValueError

    for _ in range(2):  # each time anew
        with pytest.raises(ValueError):
            verb()
        assert torch.get_num_threads() == 3
        assert ("busy" in capsys.readouterr().err) == (within == 1)


def test_a_trial_touches_neither_threads_nor_randomness(three_threads):
    state = torch.get_rng_state()
    assert quicker(3) in (1, 3)
    assert torch.get_num_threads() == 3 and torch.get_rng_state().equal(state)


@pytest.mark.skipif(cores() < 2, reason="one core has one thread")
def test_a_run_watches_its_threads_unless_they_were_given(tmp_path, monkeypatch):
    watched = []
    monkeypatch.setattr(computing, "Threads", lambda most, say: watched.append(most))
    monkeypatch.setattr(computing, "threads_are_given", lambda: False)
    monkeypatch.setattr(computing, "threads_per_process", lambda: 2)
    settings = {"model": "softmax", "kimg": 1, "wandb": WandbConfig(mode="disabled")}
    train(TrainConfig(output=str(tmp_path / "given"), threads=2, **settings))
    assert not watched
    train(TrainConfig(output=str(tmp_path / "open"), **settings))
    assert watched == [2]
    monkeypatch.setattr(computing, "threads_are_given", lambda: True)
    train(TrainConfig(output=str(tmp_path / "told"), **settings))
    assert watched == [2]
