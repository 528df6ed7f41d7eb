"""A data set of which only a few images keep their label, for learning with the others unlabelled."""

from __future__ import annotations

from dataclasses import replace

import torch

from fooling.errors import UserError
from fooling.images import Images
from fooling.seeds import seed_of


def keep_labels(data: Images, per_class: int, seed: int = 0) -> Images:
    """The same images, of which `per_class` of each class keep their label; that of the others is -1.

    Which they are follows from the seed and an image's place in the data set; of more per class, the first are those of
    fewer. Raises UserError where a class has not as many, or the data has no labels.
    """
    labels = data.targets
    counts = labels.bincount(minlength=len(data.class_names))
    if int(counts.min()) < per_class:
        fewest = data.class_names[int(counts.argmin())]
        raise UserError(f"labels_per_class {per_class}: the class {fewest} has {int(counts.min())} images")
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed_of(seed, "labels")))
    kept = torch.full_like(labels, -1)
    for label in range(len(counts)):
        those = order[labels[order] == label][:per_class]
        kept[those] = label
    return replace(data, labels=kept)
