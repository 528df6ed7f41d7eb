"""The judge: how well it reads what it was not trained on, and that this is said."""

import pytest

from fooling.classifiers import judge as module
from fooling.classifiers.judge import JudgeScore, score_judge, trained_judge
from fooling.data.load import DataConfig


def test_nobody_waits_for_the_score_of_the_one_that_ships(monkeypatch):
    monkeypatch.setattr(module, "accuracy", lambda *_: pytest.fail("measured again"))
    score = score_judge(trained_judge(DataConfig()), DataConfig())
    assert score == JudgeScore(0.9955, 10_000) and score.warning is None


@pytest.mark.parametrize("accuracy, warned", [(0.949, True), (0.95, False), (1.0, False)])
def test_a_judge_that_cannot_be_leant_on_is_warned_of(accuracy, warned):
    score = JudgeScore(accuracy, 1200)
    assert f"{100 * accuracy:.1f} % of 1,200 held-out images right" in score.words
    assert (score.warning is not None) == warned
    assert not score.warning or ("\n" not in score.warning and score.words in score.warning)
