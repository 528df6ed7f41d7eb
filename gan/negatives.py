"""What a discriminator that is a classifier learns to call "none of these", beside what the generator draws.

The negatives are those of `fooling harden` (fooling/teach/sources.py), and the adversary there is pixels: climbs
against the network as it is at this step, noise as it is, images of another data set.

Real images are shown beside them, as not "none of these". A relativistic game says only how much likelier than a fake a
real image is to be real: with nothing to hold it, the logit of "none of these" rises with every negative until real
images are rejected too, and who then admits those (gan/admission.py) admits the negatives with them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fooling.classifiers.networks import Classifier
from fooling.errors import UserError
from fooling.images import Images
from fooling.run.processes import Processes
from fooling.teach.losses import negatives_loss
from fooling.teach.negatives import NegativesConfig, make_negatives
from fooling.teach.sources import Pool, Step


class Negatives:
    """The sources that a configuration names, and the gradients of calling what they give "none of these", and real
    images any of the classes.

    weight: of the two, beside telling real from fake.

    Raises UserError for counts that the processes cannot share, and for a pool, which has images only after a round of
    harden.
    """

    def __init__(self, config: NegativesConfig, data: Images, processes: Processes, *, weight: float):
        if config.pool:
            raise UserError("negatives.pool is filled by the rounds of fooling harden: a GAN has none")
        self.processes, self.weight = processes, weight
        self.sources = make_negatives(config, Pool(), data.images.shape[1:])
        for count in self.sources.counts:
            processes.share(count)  # refuses what the processes cannot share

    def step(
        self,
        classifier: Classifier,
        images: Tensor,
        seed: int,
        *,
        scale: Callable[[Tensor], Tensor],
        autocast: Callable[[], AbstractContextManager],
        bf16: bool = False,
    ) -> dict[str, Tensor]:
        """Add the classifier's gradients of rejecting this step's negatives and no real image; returns the figures,
        scalars without gradient.

        classifier: with a reject class, as its last. images: float (n, c, h, w) in [0, 1], the real ones of the whole
        batch. seed: of what is drawn in this step, the same on every process. bf16: climb in that precision.
        """
        device = images.device
        negatives = self.sources.draw(
            Step(
                classifier=classifier,
                images=images.cpu(),
                generator=torch.Generator().manual_seed(seed),
                share=self.processes.share,
                gather=partial(self.processes.gather, even=True),
                autocast=torch.bfloat16 if bf16 else None,
            )
        )
        reals = images[self.processes.share(len(images))]
        with autocast():
            logits = classifier(torch.cat([reals, negatives.to(device)])).float()
        on_reals, on_negatives = logits.tensor_split([len(reals)])
        admitted = F.softplus(on_reals[:, -1] - on_reals[:, :-1].logsumexp(1)).mean()  # -log of any class's probability
        rejected = negatives_loss(on_negatives, "reject")
        scale(self.weight * (admitted + rejected)).backward()
        return {"negatives_loss": rejected.detach(), "admission_loss": admitted.detach()}

    def state_dict(self) -> dict[str, Any]:
        return self.sources.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sources.load_state_dict(state)
