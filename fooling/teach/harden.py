"""Teach a classifier what is nothing: train it on images that fool it, as "none of these", then fool it afresh.

    accelerate launch -m fooling harden --config configs/harden-rounds.yaml    # round by round, on all past images
    accelerate launch -m fooling harden --config configs/harden.yaml           # on climbs made inside every batch

Starting again with the same command goes on from the newest checkpoint, exactly as if it had never stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from fooling.classifiers.judge import JudgeNet, score_judge, trained_judge
from fooling.classifiers.jury import trained_jury
from fooling.classifiers.networks import MODELS, Classifier, Model
from fooling.classifiers.train import accuracy, labelled, publish_classifier, save_classifier
from fooling.climb.ascent import Ascent
from fooling.data.batches import Batches
from fooling.data.load import DataConfig
from fooling.errors import UserError, require_positive
from fooling.files import write_png
from fooling.images import Images
from fooling.run.card import named
from fooling.run.checkpoints import Stateful
from fooling.run.config import RunConfig
from fooling.run.optimizer import new_adam, new_network, update
from fooling.run.run import Run
from fooling.run.schedules import one_cycle
from fooling.seeds import seed_of
from fooling.show.figures import draw_gallery
from fooling.show.layout import percent
from fooling.teach.fresh_attack import AttackConfig, Rounds, attack_afresh, attack_figures
from fooling.teach.losses import Target, faded_loss, negatives_loss
from fooling.teach.negatives import NegativesConfig, make_negatives
from fooling.teach.positives import faded, perturbed, shifted
from fooling.teach.sources import Pool, Step


@dataclass
class HardenConfig(RunConfig):
    """Teach a classifier what is nothing."""

    name: str = "harden"
    """The run's name, and that of its folder below runs/."""

    model: Model = "lenet"
    """lenet, wide-lenet or softmax, as for train."""

    target: Target = "reject"
    """What negatives shall be: reject, a class of their own; uniform, all classes alike (outlier exposure);
    confidence, no class likely (CEDA and ACET); both, a class of their own and the others alike."""

    kimg: float = 240.0
    """How long to train in each round, in thousands of images seen (negatives not counted)."""

    rounds: int = 1
    """How many times to train and attack; the images of each attack join the pool."""

    from_scratch: bool = True
    """Begin each round with new weights; else go on with those of the round before."""

    batch_size: int = 128
    """Real images in a step, over all processes."""

    learning_rate: float = 3e-3
    """Adam's learning rate at its peak, a third of the way through a round."""

    weight: float = 1.0
    """Of the negatives' loss, beside 1 for that of the real images."""

    ramp_kimg: float = 20.0
    """Thousands of images over which that weight grows from 0, in each round."""

    evaluate_kimg: float = 60.0
    """Thousands of images between fresh attacks and measurements of the accuracy on the test images."""

    shift: int = 0
    """Move each real image by up to so many pixels."""

    perturb: float = 0.0
    """Move every second real image against its label, in an L-inf ball whose radius is drawn from 0 to this."""

    faded: int = 0
    """So many of the real images are shown a second time, part of the way to nothing: the network shall be as sure of
    them as there is left of them."""

    faded_perturb: float = 0.0
    """Move each of those towards its label, in an L-inf ball whose radius is drawn from 0 to this, as a walk out of a
    digit would."""

    negatives: NegativesConfig = field(default_factory=NegativesConfig)
    """Where the negatives come from: at least one count must be above 0."""

    attack: AttackConfig = field(default_factory=AttackConfig)
    """The fresh attack."""

    data: DataConfig = field(default_factory=DataConfig)
    """The images and their labels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(
            kimg=self.kimg,
            rounds=self.rounds,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight=self.weight,
            evaluate_kimg=self.evaluate_kimg,
        )
        for name in ("shift", "perturb", "faded_perturb"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.faded_perturb and not self.faded:
            raise UserError("faded_perturb moves faded images: say how many with --faded")
        if not 0 <= self.faded <= self.batch_size:
            raise UserError(f"faded must be from 0 to the {self.batch_size} images of a batch, got {self.faded}")
        if self.model not in MODELS:
            raise UserError(f"unknown model {self.model!r}: expected one of {', '.join(MODELS)}")
        if self.ramp_kimg < 0:
            raise UserError(f"ramp_kimg must be at least 0, got {self.ramp_kimg}")
        if self.kimg * 1000 < self.batch_size:
            raise UserError(f"a round of {self.kimg} kimg is shorter than a batch of {self.batch_size} images")
        if self.rounds == 1 and sum(self.negatives.counts) == self.negatives.pool > 0:
            raise UserError("the pool is empty until a round has ended: give --rounds 2 or more, or other negatives")
        if max(self.negatives.counts) == self.faded == 0:
            raise UserError("say what to teach, such as --config configs/harden.yaml or --negatives.climbed 32")


# What the randomness of a run is for: each use has a stream of its own, whatever the seed.
_WEIGHTS, _NEGATIVES, _ATTACK = 1, 2, 3


def harden(config: HardenConfig) -> None:
    """Teach as configured, or go on with a run that was interrupted; the folder runs/NAME then holds everything.

    Raises UserError, before anything is written, for settings that do not fit each other, the data or the processes;
    also where training stops because the loss or a gradient is not finite.
    """
    total = round(config.rounds * config.kimg * 1000)
    with Run(config, total_images=total, product="classifier/model.safetensors") as run:
        data, test = run.processes.first_here(lambda: labelled(config.data))
        teaching = Teaching(config, run, data)
        on = f"{len(data)} images of {named(config.data)}"
        for _ in run.steps(teaching, batch_size=config.batch_size, on=on, data=data):
            round_ends = run.due(config.kimg)
            if round_ends or run.due(config.evaluate_kimg):
                run.check_finite()
                run.record(teaching.measure(test, round_ends))
            if round_ends:
                run.log()


class Teaching:
    """The classifier, its optimiser, its negatives, and one step of teaching it.

    state: what a checkpoint holds of it. A step's randomness is a function of (seed, images seen), and each process
    takes its rows of what is drawn for all of them, so that neither a resume nor the number of processes changes it.
    """

    def __init__(self, config: HardenConfig, run: Run, data: Images):
        self.config, self.run, self.data = config, run, data
        if config.shift >= data.images.shape[2]:
            raise UserError(f"shift must be below the {data.images.shape[2]} pixels of an image, got {config.shift}")
        # On the CPU, where negatives are made of the whole batch: only this process's rows go to its device.
        self.batches = Batches(data, "cpu", seed=config.seed)
        self.share = run.processes.share(config.batch_size)
        self.classifier = self._new_classifier(0)
        self.optimizer = new_adam(self.classifier, config.learning_rate)
        self.pool = Pool()
        self.negatives = make_negatives(config.negatives, self.pool, data.images.shape[1:])
        for count in [*self.negatives.counts, *([config.faded] if config.faded else [])]:
            run.processes.share(count)  # refuses what the processes cannot share
        if config.attack.count < run.processes.count:
            raise UserError(f"attack.count must be at least {run.processes.count}, an image for each process")
        self.judge = run.processes.first_here(self._scored_judge) if config.attack.judge else None
        self.jury = trained_jury(config.data) if config.attack.judge else None
        self.rounds = Rounds()
        self.state: dict[str, Stateful] = {
            "classifier": self.classifier,
            "optimizer": self.optimizer,
            "negatives": self.negatives,
            "rounds": self.rounds,
        }

    def step(self) -> dict[str, Tensor]:
        """One update; returns the figures of the step."""
        config, run = self.config, self.run
        images, labels = self.batches.take_labelled(run.images_seen, config.batch_size)
        step = self._as_seen(images)
        negatives = self.negatives.draw(step)
        if config.shift:
            images = shifted(images, config.shift, step.generator)
        fading, kinds, left = self._fading(images, labels, step)
        images = perturbed(images, labels, config.perturb, step) if config.perturb else images[self.share]
        labels = labels[self.share]
        self.classifier.train()
        parts = [images, negatives, fading]
        with run.precision.autocast():
            logits = self.classifier(torch.cat(parts).to(run.device)).float()
        real, rubbish, between = logits.split([len(part) for part in parts])
        loss = F.cross_entropy(real, labels.to(run.device))
        rubbish_loss = negatives_loss(rubbish, config.target) if len(negatives) else loss.new_zeros(())
        if len(fading):
            rubbish_loss = rubbish_loss + faded_loss(between, kinds.to(run.device), left.to(run.device), config.target)
        weight = config.weight * min(1.0, self._images_in_round / (config.ramp_kimg * 1000 + 1e-9))
        scaler = run.scaler("classifier")
        scaler.scale(loss + weight * rubbish_loss).backward()
        rate = one_cycle(config.learning_rate, self._images_in_round / (config.kimg * 1000))
        norm = update(self.optimizer, rate, run.processes, scaler)
        return {"loss": loss, "negatives_loss": rubbish_loss, "gradient_norm": norm}

    def _fading(self, images: Tensor, labels: Tensor, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """This process's rows of the first images, part of the way to nothing; their labels; how much is left."""
        count = self.config.faded
        if not count:
            return images[:0], labels[:0], torch.empty(0)
        some, kinds, radius = labels[:count], self.config.negatives.kinds, self.config.faded_perturb
        rows, left = faded(images[:count], some, kinds, step, radius=radius)
        return rows, some[step.share(count)], left

    def measure(self, test: Images | None, round_ends: bool) -> dict[str, Tensor]:
        """Fool the classifier afresh, and draw what fooled it; where a round ends, that joins the pool, which is the
        same on every process."""
        config, run = self.config, self.run
        seed = seed_of(config.seed, _ATTACK, run.images_seen)
        attack = attack_afresh(self.classifier, config.attack, seed=seed, processes=run.processes)
        figures = attack_figures(attack, self.judge, self.jury)
        if test is not None:
            figures["test_accuracy"] = accuracy(self.classifier, test, run.processes)
        if run.is_main:
            self._draw(attack, figures)
        if round_ends:
            self.rounds.end(figures, run.images_seen)
            if run.is_main:
                self.rounds.write(run.folder / "rounds.json")
            run.say(self.rounds.describe_last())
            self.pool.add(attack.images[attack.success])
            if config.from_scratch and run.images_seen < run.total_images:
                self.classifier.load_state_dict(self._new_classifier(len(self.rounds)).state_dict())
                self.optimizer.load_state_dict(new_adam(self.classifier, config.learning_rate).state_dict())
        return {name: torch.tensor(value, device=run.device) for name, value in figures.items()}

    def publish(self) -> None:
        """Write the classifier so far, unless a round begins, whose weights may be new and have learned nothing."""
        if self._images_in_round:
            publish_classifier(self.run, self.config.data, self.classifier)

    def finish(self) -> None:
        """Write the classifier that others load."""
        figures = self.rounds.figures[-1]
        save_classifier(self.run, self.config.data, self.classifier, figures.get("test_accuracy"))

    def _draw(self, attack: Ascent, figures: dict[str, float]) -> None:
        """The first images of the attack: samples/<images seen>.png, and the tracker."""
        count, classes = min(3, len(attack.images) // 10 or 1) * 10, self.classifier.num_classes
        texts = [f"{k % classes}: {percent(p)}" for k, p in enumerate(attack.confidences[:count].tolist())]
        title = (
            f"Climbed from noise: {100 * figures['fooled_99']:.0f} % reach 99 %, in {figures['steps_needed']:.0f} steps"
        )
        picture = draw_gallery(attack.images[:count], texts, title=title, columns=10)
        write_png(picture, self.run.picture_file())
        self.run.tracker.log_image("fooling_images", picture, step=self.run.images_seen)

    def _scored_judge(self) -> JudgeNet:
        """The judge of the data, after saying how far it can be leant on."""
        judge = trained_judge(self.config.data)
        if score := score_judge(judge, self.config.data):
            self.run.say(f"warning: {score.warning}" if score.warning else score.words)
        return judge

    @property
    def _images_in_round(self) -> int:
        return self.run.images_seen - self.rounds.started_at

    def _new_classifier(self, number: int) -> Classifier:
        channels, image_size = self.data.images.shape[1:3]
        make = partial(
            MODELS[self.config.model],
            image_size=image_size,
            channels=channels,
            num_classes=len(self.data.class_names),
            class_names=self.data.class_names,
            reject_class=self.config.target in ("reject", "both"),
        )
        return new_network(make, seed_of(self.config.seed, _WEIGHTS, number), self.run.device)

    def _as_seen(self, images: Tensor) -> Step:
        """This step, as the sources of its negatives see it."""
        run = self.run
        return Step(
            classifier=self.classifier,
            images=images,
            generator=torch.Generator().manual_seed(seed_of(self.config.seed, _NEGATIVES, run.images_seen)),
            share=run.processes.share,
            gather=partial(run.processes.gather, even=True),
            autocast=torch.bfloat16 if run.precision.is_bf16 else None,
        )
