"""The model card beside a saved network: what it is, how to load it, how it was made, with every setting.

Its front matter is what the Hugging Face Hub reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from fooling.data.load import DataConfig
from fooling.run.config import RunConfig

# What the Hub calls data sets that we know by other names.
_ON_HUB = {
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
}

_CARD = """\
---
{front_matter}
---

# {name}

{what}

{picture}```python
{example}
```

{training} {notes}

{parameters} Made by {code}, with PyTorch {torch}.

## Settings

```yaml
{settings}```
"""


def model_card(
    config: RunConfig,
    data: DataConfig,
    summary: Mapping[str, Any],
    *,
    task: str,
    what: str,
    example: str,
    tags: Sequence[str] = (),
    notes: str = "",
    picture: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> str:
    """The README.md of a saved network.

    summary: as from Run.summary.
    task: as the Hub names it, such as image-classification.
    what: the network in a sentence. example: how to load it, as Python code. notes: what else is to be known.
    picture: a file beside the card to show.
    metrics: what was measured on the data set's test images, by the name of its ruler.
    """
    from huggingface_hub import EvalResult, ModelCardData

    on_hub = _ON_HUB.get(data.name)
    # What was learned from other people's images, or one's own, is licensed by nobody but them.
    licence = "mit" if data.name in ("mnist", "stacked-mnist") else None
    front_matter = ModelCardData(library_name="fooling-gan", license=licence, pipeline_tag=task, tags=[*tags, task])
    if on_hub is not None:
        front_matter.datasets = [on_hub]
    if metrics:
        front_matter.model_name = config.name
        front_matter.eval_results = [
            EvalResult(task, on_hub or data.name, named(data), ruler, value, dataset_split="test")
            for ruler, value in metrics.items()
        ]
    settings = {k: v for k, v in asdict(config).items() if k not in ("output", "wandb")}
    return _CARD.format(
        front_matter=front_matter.to_yaml(),
        name=config.name,
        what=what,
        picture=f"![samples]({picture})\n\n" if picture else "",
        example=example,
        training=_training(summary),
        notes=notes,
        parameters=_parameters(summary["parameters"]),
        code=summary["code"],
        torch=summary["torch"],
        settings=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
    )


def named(data: DataConfig) -> str:
    """What a data set is called in a sentence: mnist, or the folder emoji."""
    return data.name if data.name != "folder" else f"the folder {Path(data.folder or '').name}"


def _training(summary: Mapping[str, Any]) -> str:
    seen, total = summary["images_seen"], summary["total_images"]
    so_far = f"Unfinished: {seen / 1000:,g} of {total / 1000:,g} kimg. " if seen < total else ""
    return (
        f"{so_far}Trained until {_count(seen, 'image')} had been seen, in {_count(summary['seconds'], 'second')}"
        f" ({_count(summary['images_per_second'], 'image')} per second, {summary['processes']})."
    )


def _parameters(counts: Mapping[str, int]) -> str:
    said = [f"{_count(count, 'parameter')} in the {name}" for name, count in counts.items()]
    return f"{' and '.join(said)}." if said else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
