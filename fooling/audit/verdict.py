"""What an audit comes to: one sentence about a classifier, no stronger than its figures.

What decides is the share of images showing none of its classes that an attack turned into rubbish, of which the
classifier is 99 % sure and in which the judge does not see the class:

    easily fooled    half of them or more
    can be fooled    a tenth or more
    hard to fool     fewer than a tenth
    unclear          fewer than a tenth, where the attacks may just not have worked: the classifier hides its gradient,
                     or something is said of it that makes its confidences no measure (see Examination.caveats);
                     a tenth or more that it is sure of, where the judge cannot be leant on to say what they show

Where so few images were tried that another share on the other side of a threshold would fit (Wilson's 95 % interval),
the sentence says which shares would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fooling.audit.examine import Examination
from fooling.classifiers.judge import JudgeScore

Level = Literal["easily fooled", "can be fooled", "hard to fool", "unclear"]

EASILY, CAN_BE = 0.5, 0.1
GOOD_AT_ITS_JOB = 0.7  # of the clean images right; with fewer, the sentence says so
_BEGIN: dict[Level, str] = {
    "easily fooled": "{} is easily fooled",
    "can be fooled": "{} can be fooled",
    "hard to fool": "{} is hard to fool",
    "unclear": "Whether {} can be fooled is unclear",
}
_HIDES = {"yes": "it hides its gradient", "perhaps": "it may hide its gradient"}


@dataclass(frozen=True)
class Verdict:
    """level: in two words. sentence: with the figures behind it. interval: the shares of rubbish that would fit what
    was seen, from 0 to 1."""

    level: Level
    sentence: str
    interval: tuple[float, float]


def verdict(report: Examination) -> Verdict:
    """What the figures of a whole audit come to, by the thresholds above."""
    box = report.overall("box")
    count, hides = round(box["images"]), report.masking.hides if report.masking else "no sign"
    trusted = report.judge is not None and report.judge.warning is None
    share = box["rubbish_99"] if trusted else box["fooled_99"]  # which is never less
    level: Level = "easily fooled" if share >= EASILY else "can be fooled" if share >= CAN_BE else "hard to fool"
    low, high = interval = wilson(share, count)

    sentence = (
        f"{_amount(share, level)} of {count:,} images that show none of its classes could be changed until it was"
    )
    sentence += " 99 % sure of one" + (" that an independent judge does not see there" if trusted else "")
    doubts = []
    if level != "hard to fool":
        if not trusted:
            level = "unclear"
            doubts.append(f", but {_no_judge(report.judge)}, so nobody can say which of them show it")
        elif hides in _HIDES:
            doubts.append(f", and {_HIDES[hides]}, so it may be fooled more often than that")
    elif hides in _HIDES:
        level = "unclear"
        doubts.append(f", but {_HIDES[hides]}, and then it says little that climbs along the gradient fail")
    elif report.caveats:
        level = "unclear"
        doubts.append(f", but {report.caveats[0]}")
    elif trusted and box["fooled_99"] >= CAN_BE:
        doubts.append(f"; it became sure of {box['fooled_99']:.1%}, and the judge sees the class in")
        doubts.append(f" {box['recognised']:.0%} of those")
    if any(low < threshold <= high for threshold in (CAN_BE, EASILY)) and level != "unclear":
        doubts.append(f"; of so few images, any share from {low:.0%} to {high:.0%} would fit")
    if report.accuracy < GOOD_AT_ITS_JOB:
        doubts.append(f"; it has only {report.accuracy:.0%} of the clean images right")
    return Verdict(level, f"{_BEGIN[level].format(report.label)}: {sentence}{''.join(doubts)}.", interval)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The shares that fit having seen `share` in `count` tries, at 95 % (Wilson 1927, equation 4; 0 to 1)."""
    z = 1.96 / math.sqrt(count)
    middle = (share + z**2 / 2) / (1 + z**2)
    radius = z * math.sqrt(share * (1 - share) + z**2 / 4) / (1 + z**2)
    return max(0.0, middle - radius), min(1.0, middle + radius)


def _amount(share: float, level: Level) -> str:
    if share == 0:
        return "none"
    return f"only {share:.1%}" if level == "hard to fool" else f"{share:.1%}"


def _no_judge(score: JudgeScore | None) -> str:
    return "the judge was never measured" if score is None else score.words
