"""The model card that is saved beside a generator."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import yaml

from gan.config import TrainConfig

_CARD = """\
---
{front_matter}
---

# {name}

A generator of {data} images, trained with fooling-gan.

![samples](samples.png)

```python
from gan import Generator

generator = Generator.from_pretrained("path/to/this/folder")    # or "hub:owner/name"
images = generator.sample(64, seed=0)                           # float32 in [0, 1]
```

Trained on {images_seen:,} images in {seconds:,} seconds ({images_per_second:,} images per second, {processes}). What is
saved is the average of the weights over training. The pictures above are from fixed latents, not chosen.

## Settings

```yaml
{settings}```
"""


def model_card(config: TrainConfig, summary: dict[str, Any]) -> str:
    """The README.md of a saved generator: how to load it, how it was made, with every setting.

    summary: as from Run.summary.
    """
    from huggingface_hub import ModelCardData

    front_matter = ModelCardData(
        library_name="fooling-gan",
        license="mit",
        pipeline_tag="unconditional-image-generation",
        tags=["gan", "dcgan", "unconditional-image-generation"],
    )
    settings = {k: v for k, v in asdict(config).items() if k not in ("output", "wandb")}
    return _CARD.format(
        front_matter=front_matter.to_yaml(),
        name=config.name,
        data=config.data.name,
        settings=yaml.safe_dump(settings, sort_keys=False),
        **summary,
    )
