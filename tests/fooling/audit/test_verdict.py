"""What is said of a classifier is no stronger than its figures."""

import pytest
import torch

from fooling.audit.examine import Examination
from fooling.audit.masking import Masking
from fooling.audit.verdict import verdict, wilson
from fooling.classifiers.judge import JudgeScore
from fooling.climb.evolution import Evolution

GOOD, WEAK = JudgeScore(0.98, 400), JudgeScore(0.18, 80)
NO_GRADIENT = "the gradient is zero at 40% of the starts: it may hide its gradient"
TRANSFER = (
    "images made on another network fool it more often (80%) than its own gradient does (0%): it hides its gradient"
)


def report(rubbish, sure, images=180, judge=GOOD, signs=(), caveats=(), accuracy=0.99):
    row = {"rubbish_99": rubbish, "fooled_99": sure, "images": images, "steps": 1.0}
    row["recognised"] = 1 - rubbish / sure if sure else float("nan")
    nothing = torch.zeros(0)
    masking = Masking(
        without_gradient=0.4 if NO_GRADIENT in signs else 0.0, gradient=0.0, gradient_classes=[],
        evolution=Evolution(nothing, nothing, nothing, nothing, 0, nothing), evolution_classes=[],
        evolution_rubbish=[], within={}, signs=list(signs),
    )  # fmt: skip
    return Examination(
        "net", ("0", "1"), rejects=False, accuracy=accuracy, calibration_error=0.0, clean_confidence=0.99,
        clean_sure=0.9, scale=1.0, figures={"uniform": {"box": row, "ball": row}}, masking=masking, judge=judge,
        caveats=list(caveats),
    )  # fmt: skip


DOUBT = "it is 99 % sure of only 3% of the clean images, so not being fooled at 99 % says little"
CASES = {
    "half": (report(0.5, 1), "easily fooled", "net is easily fooled: 50.0% of 180 images"),
    "a tenth": (report(0.2, 1), "can be fooled", "net can be fooled: 20.0% of 180 images"),
    "draws": (report(0.01, 0.9), "hard to fool", "sure of 90.0%, and the judge sees the class in 99% of those"),
    "none": (report(0, 0), "hard to fool", "net is hard to fool: none of 180 images"),
    "no gradient": (report(0, 0, signs=[NO_GRADIENT]), "unclear", "but it may hide its gradient"),
    "hidden": (report(0.05, 0.05, signs=[TRANSFER]), "unclear", "but it hides its gradient"),
    "hidden and fooled": (report(0.6, 1, signs=[TRANSFER]), "easily fooled", "it may be fooled more often than that"),
    "doubtful": (report(0, 0, caveats=[DOUBT]), "unclear", f"but {DOUBT}"),
    "weak judge": (report(0.9, 1, judge=WEAK), "unclear", "100.0% of 180 images"),
    "no judge": (report(0.9, 1, judge=None), "unclear", "but the judge was never measured, so nobody can say"),
    "weak judge, never sure": (report(0.01, 0.02, judge=WEAK), "hard to fool", "only 2.0% of 180 images"),
    "few images": (report(0, 0, images=16), "hard to fool", "of so few images, any share from 0% to 19% would fit"),
    "bad at its job": (report(0, 0, accuracy=0.2), "hard to fool", "it has only 20% of the clean images right"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_verdict_follows_from_the_figures_and_from_what_they_are_worth(case):
    examined, level, words = CASES[case]
    said = verdict(examined)
    assert said.level == level and words in said.sentence
    assert said.sentence.endswith(".") and said.sentence.count(". ") == 0  # one sentence
    assert ("judge" in said.sentence and "does not see" in said.sentence) == (examined.judge is GOOD)
    low, high = said.interval
    assert 0 <= low < high <= 1


def test_the_interval_is_the_one_of_the_textbooks():
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
