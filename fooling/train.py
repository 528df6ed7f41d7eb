"""Train a classifier."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from fooling.data import Batches, Images


def fit(
    classifier: nn.Module,
    data: Images,
    *,
    epochs: int = 3,
    batch_size: int = 128,
    peak_rate: float = 3e-3,
    seed: int = 0,
    progress: bool = True,
) -> nn.Module:
    """The same classifier, trained in place on `data` and put in evaluation mode (Adam, one-cycle rate)."""
    steps = epochs * len(data) // batch_size
    device = next(classifier.parameters()).device
    batches = Batches(data, device, seed=seed)
    optimizer = torch.optim.Adam(classifier.parameters(), peak_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak_rate, total_steps=steps)
    classifier.train()
    for step in tqdm(range(steps), desc="training the classifier", unit="step", disable=not progress, leave=False):
        images, labels = batches.take(step * batch_size, batch_size)
        loss = F.cross_entropy(classifier(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return classifier.eval()
