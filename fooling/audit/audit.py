"""Audit: attack classifiers afresh, in every way we know, and report what it takes to fool each with rubbish.

    fooling audit runs/lenet runs/harden                                # side by side
    fooling audit mypackage.model:load --input.shape 1 28 28            # anyone's classifier
    fooling audit runs/harden --thorough true                           # more images, steps and restarts

Old images are never replayed. The same seed gives the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from fooling.audit.examine import Effort, Examination, examine
from fooling.audit.page import audit_page
from fooling.audit.report import audit_pictures, table
from fooling.audit.verdict import verdict
from fooling.classifiers.judge import score_judge, trained_judge
from fooling.classifiers.jury import trained_jury
from fooling.classifiers.load import InputConfig, data_for, misfit, open_classifier, trained_classifier
from fooling.classifiers.networks import Model
from fooling.data.load import DataConfig, Name, load, load_config
from fooling.errors import MissingFile, UserError
from fooling.images import Images
from fooling.options.settings import Settings
from fooling.options.types import listed
from fooling.run.results import Results
from fooling.run.tracking import WandbConfig

QUICK = Effort()
THOROUGH = Effort(images=100, steps=500, restarts=5, walks=100, walk_steps=300)


@dataclass
class AuditConfig(Settings):
    """Attack classifiers afresh, in every way, and report."""

    models: list[str]
    """Folders of runs or of saved classifiers, lenet, softmax, harden, hub:owner/name, or package.module:factory."""

    thorough: bool = False
    """Five times the images and the steps, and restarts. It says beforehand how long that may take."""

    input: InputConfig = field(default_factory=InputConfig)
    """The images that a package.module:factory takes."""

    data: DataConfig = field(default_factory=DataConfig)
    """The data that the classifiers were made for. Default: that of the runs among them, else mnist."""

    others: list[Name] = field(default_factory=lambda: ["mnist", "fashion-mnist"])
    """Other data sets to start from, besides the classifiers' own; those that are not at hand are left out, with a line
    saying so."""

    seed: int = 0
    """From which all randomness follows."""

    output: str | None = None
    """The folder to write, which must not exist yet. Default: runs/audit."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Where to see the pictures besides the folder."""

    shape: list[int] | None = None
    """The older name of input.shape."""

    range: list[float] | None = None
    """The older name of input.range."""

    mean: list[float] | None = None
    """The older name of input.mean."""

    std: list[float] | None = None
    """The older name of input.std."""

    def __post_init__(self) -> None:
        older = {name: getattr(self, name) for name in ("shape", "range", "mean", "std")}
        self.input = replace(self.input, **{name: value for name, value in older.items() if value is not None})
        self.shape = self.range = self.mean = self.std = None
        if not self.models:
            raise UserError("name at least one classifier to audit")


def audit(config: AuditConfig) -> Path:
    """Audit as configured, print the table and the verdicts, and return the folder of audit.html, its pictures and
    summary.json.

    Raises UserError, before anything is attacked, for a classifier that cannot be loaded or does not fit the data; and
    for one that cannot be climbed, after writing what was found out about those before it.
    """
    classifiers = {source: open_classifier(source, config.input) for source in dict.fromkeys(config.models)}
    config = replace(config, data=data_for(classifiers, config.data))
    data = load_config(config.data, "test")
    if data.labels is None:
        raise UserError(f"an audit needs labels, and {config.data.name} has none")
    if len(data.class_names) < 2:
        raise UserError(f"an audit needs two classes or more, and {config.data.name} has {len(data.class_names)}")
    for source, classifier in classifiers.items():
        if (wrong := misfit(data, classifier)) is not None:
            raise UserError(f"{source}: {wrong}")
    results = Results("audit", config.output, config.wandb, asdict(config))
    others, judge = _others(config, data), trained_judge(config.data)
    score = score_judge(judge, config.data)
    if score is not None:
        print(f"warning: {score.warning}" if score.warning else score.words)
    jury = trained_jury(config.data)
    if jury is None:
        print(f"left out: the jury, for there is none of {config.data.name}; the judge alone says what is recognised")
    of_mnist = replace(config.data, root=None) == DataConfig()
    known = [trained_classifier(name) for name in get_args(Model)] if of_mnist else []
    if not known:
        print(f"left out: attacks carried over from another network, for there is none of {config.data.name}")
    effort = THOROUGH if config.thorough else QUICK
    found_out = partial(
        examine, data=data, others=others, judge=judge, effort=effort, seed=config.seed, score=score, jury=jury
    )
    reports: list[Examination] = []
    try:
        for label, classifier in zip(_labels(list(classifiers)), classifiers.values(), strict=True):
            try:
                reports.append(found_out(label, classifier, other=_another(classifier, known)))
            except UserError as error:
                raise UserError(f"{label}: {error}") from error
    except BaseException:  # one that cannot be climbed, or Ctrl-C, does not lose what was found about those before
        if reports:
            print(f"stopped: writing what was found of {listed([r.label for r in reports], 'and')}", flush=True)
            _write(reports, results, effort, config.seed)
        raise
    _write(reports, results, effort, config.seed)
    return results.folder


def _write(reports: list[Examination], results: Results, effort: Effort, seed: int) -> None:
    print(table(reports))
    with results:
        pictures = audit_pictures(reports)
        for name, picture in pictures.items():
            results.picture(name, picture)
        results.text("audit.html", audit_page(reports, effort, seed=seed))
        results.numbers(
            {"judge": asdict(judge) if (judge := reports[0].judge) else None, "classifiers": _summary(reports)},
            **{f"{r.label}/{kind}": found["box"].images for r in reports for kind, found in r.found.items()},
        )
        results.tracker.log(
            {f"{r.label}/{name}": value for r in reports for name, value in r.overall("box").items()}, step=0
        )


def _summary(reports: Sequence[Examination]) -> dict[str, dict[str, Any]]:
    return {report.label: {"verdict": asdict(verdict(report)), **report.numbers()} for report in reports}


def _others(config: AuditConfig, data: Images) -> dict[str, Images]:
    """The other data sets that are at hand, their images made to the same shape."""
    channels, size = data.images.shape[1:3]
    found: dict[str, Images] = {}
    for name in config.others:
        if name == config.data.name:
            continue
        try:
            found[name] = load(name, "test", root=config.data.root, image_size=size, channels=channels)
        except MissingFile as error:
            print(f"left out: {error}")
    return found


def _another(classifier: nn.Module, known: Sequence[nn.Module]) -> nn.Module | None:
    """The first that is not this very network: one to carry attacks over from."""

    def same(other: nn.Module) -> bool:
        ours, theirs = classifier.state_dict(), other.state_dict()
        return ours.keys() == theirs.keys() and all(torch.equal(ours[name].cpu(), theirs[name]) for name in ours)

    return next((other for other in known if not same(other)), None)


def _labels(sources: list[str]) -> list[str]:
    """Short names for them: the last part of each path where that tells them apart."""
    short = [Path(source).name or source for source in sources]
    return short if len(set(short)) == len(short) else sources
