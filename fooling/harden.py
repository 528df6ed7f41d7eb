"""Teach a classifier what is nothing: train it on images that fool it, as "none of these", then fool it afresh.

    accelerate launch -m fooling harden --config configs/harden-rounds.yaml    # round by round, on all past images
    accelerate launch -m fooling harden --config configs/harden.yaml           # on climbs made inside every batch

Starting again with the same command goes on from the newest checkpoint, exactly as if it had never stopped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fooling.ascent import Ascent
from fooling.classifiers import Classifier
from fooling.data import Batches, Images, seed_of
from fooling.errors import UserError
from fooling.figures import draw_gallery
from fooling.fresh_attack import attack_afresh, attack_figures
from fooling.grids import write_png
from fooling.judge import trained_judge
from fooling.lessons import HardenConfig, make_negatives, negatives_loss
from fooling.negatives import Pool, Step
from fooling.panels import percent
from fooling.positives import perturbed, shifted
from fooling.processes import average_gradients
from fooling.run import Run
from fooling.run_files import write_whole
from fooling.train import MODELS, accuracy, labelled, one_cycle, save_classifier

# What the randomness of a run is for: each use has a stream of its own, whatever the seed.
_WEIGHTS, _NEGATIVES, _ATTACK = 1, 2, 3


def harden(config: HardenConfig) -> None:
    """Teach as configured, or go on with a run that was interrupted; the folder runs/NAME then holds everything.

    Raises UserError, before anything is written, for settings that do not fit each other, the data or the processes;
    also where training stops because the loss or a gradient is not finite.
    """
    total = round(config.rounds * config.kimg * 1000)
    with Run(config, total_images=total, product="classifier/model.safetensors") as run:
        data, test = run.first_on_each_machine(lambda: labelled(config.data))
        teaching = Teaching(config, run, data)
        run.open(teaching.state)
        if run.complete:
            return run.say(f"{run.folder} is complete: nothing left to do")
        run.say(f"training on {len(data)} images of {config.data.name} in {run.folder}, {run.describe_processes()}")

        while run.images_seen < run.total_images:
            figures = teaching.step()
            run.advance(config.batch_size)
            run.record(figures)
            round_ends = run.due(config.kimg)
            if round_ends or run.due(config.evaluate_kimg):
                run.check_finite()
                run.record(teaching.measure(test, round_ends))
            if round_ends or run.due(config.log_kimg):
                run.log()
            if run.due(config.checkpoint_kimg):
                run.save()
            run.stop_if_asked()

        if run.is_main:
            teaching.finish()


class Teaching:
    """The classifier, its optimiser, its negatives, and one step of teaching it.

    state: what a checkpoint holds of it. A step's randomness is a function of (seed, images seen), and each process
    takes its rows of what is drawn for all of them, so that neither a resume nor the number of processes changes it.
    """

    def __init__(self, config: HardenConfig, run: Run, data: Images):
        self.config, self.run, self.data = config, run, data
        if config.shift >= data.images.shape[2]:
            raise UserError(f"shift must be below the {data.images.shape[2]} pixels of an image, got {config.shift}")
        self.batches = Batches(data, run.device, seed=config.seed)
        self.share = run.share(config.batch_size)
        # Convolutions of oneDNN and cuDNN are fastest with the channels innermost.
        layout = torch.channels_last if run.device.type in ("cpu", "cuda") else torch.preserve_format
        self.classifier = self._new_classifier(0).to(run.device, memory_format=layout)
        self.optimizer = self._new_optimizer()
        self.pool = Pool()
        self.negatives = make_negatives(config.negatives, self.pool, data.images.shape[1:])
        for count in self.negatives.counts:
            run.share(count)  # refuses what the processes cannot share
        self.judge = run.first_on_each_machine(lambda: trained_judge(config.data)) if config.attack.judge else None
        self.rounds = Rounds()
        self.state = {
            "classifier": self.classifier,
            "optimizer": self.optimizer,
            "negatives": self.negatives,
            "rounds": self.rounds,
        }

    def step(self) -> dict[str, Tensor]:
        """One update; returns the figures of the step."""
        config, run = self.config, self.run
        images, labels = (batch.cpu() for batch in self.batches.take(run.images_seen, config.batch_size))
        step = self._as_seen(images)
        negatives = self.negatives.draw(step)
        if config.shift:
            images = shifted(images, config.shift, step.generator)
        images = perturbed(images, labels, config.perturb, step) if config.perturb else images[self.share]
        labels, own = labels[self.share].to(run.device), len(images)
        self.classifier.train()
        with run.accelerator.autocast():
            logits = self.classifier(torch.cat([images, negatives]).to(run.device)).float()
        loss = F.cross_entropy(logits[:own], labels)
        rubbish_loss = negatives_loss(logits[own:], config.target) if len(negatives) else loss.new_zeros(())
        weight = config.weight * min(1.0, self._images_in_round / (config.ramp_kimg * 1000 + 1e-9))
        (loss + weight * rubbish_loss).backward()
        (group,) = self.optimizer.param_groups
        group["lr"] = one_cycle(config.learning_rate, self._images_in_round / (config.kimg * 1000))
        norm = average_gradients(group["params"], run.accelerator)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"loss": loss, "negatives_loss": rubbish_loss, "gradient_norm": norm}

    def measure(self, test: Images | None, round_ends: bool) -> dict[str, Tensor]:
        """Fool the classifier afresh, and draw what fooled it; where a round ends, that joins the pool.

        Every process climbs the same images, so that all have the same pool.
        """
        config, run = self.config, self.run
        attack = attack_afresh(self.classifier, config.attack, seed=seed_of(config.seed, _ATTACK, run.images_seen))
        figures = attack_figures(attack, self.judge)
        if test is not None:
            figures["test_accuracy"] = accuracy(self.classifier, test)
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
                self.optimizer.load_state_dict(self._new_optimizer().state_dict())
        return {name: torch.tensor(value, device=run.device) for name, value in figures.items()}

    def finish(self) -> None:
        """Write the classifier that others load."""
        figures = self.rounds.figures[-1]
        save_classifier(self.config, self.run, self.classifier, figures.get("test_accuracy"))

    def _draw(self, attack: Ascent, figures: dict[str, float]) -> None:
        """The first images of the attack: samples/<images seen>.png, and the tracker."""
        count, classes = min(3, len(attack.images) // 10 or 1) * 10, self.classifier.num_classes
        texts = [f"{k % classes}: {percent(p)}" for k, p in enumerate(attack.confidences[:count].tolist())]
        title = (
            f"Climbed from noise: {100 * figures['fooled_99']:.0f} % reach 99 %, in {figures['steps_needed']:.0f} steps"
        )
        picture = draw_gallery(attack.images[:count], texts, title=title, columns=10)
        seen = self.run.images_seen
        write_png(picture, self.run.folder / "samples" / f"{seen:09d}.png")
        self.run.tracker.log_image("fooling_images", picture, step=seen)

    @property
    def _images_in_round(self) -> int:
        return self.run.images_seen - self.rounds.started_at

    def _new_classifier(self, number: int) -> Classifier:
        channels, image_size = self.data.images.shape[1:3]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.config.seed, _WEIGHTS, number))
            return MODELS[self.config.model](
                image_size=image_size,
                channels=channels,
                num_classes=len(self.data.class_names),
                reject_class=self.config.target in ("reject", "both"),
            )

    def _new_optimizer(self) -> torch.optim.Optimizer:
        fused = self.run.device.type in ("cpu", "cuda")
        return torch.optim.Adam(self.classifier.parameters(), self.config.learning_rate, fused=fused)

    def _as_seen(self, images: Tensor) -> Step:
        """This step, as the sources of its negatives see it."""
        run = self.run
        return Step(
            classifier=self.classifier,
            images=images,
            generator=torch.Generator().manual_seed(seed_of(self.config.seed, _NEGATIVES, run.images_seen)),
            share=run.share,
            gather=lambda rows: run.accelerator.gather(rows.to(run.device)).cpu(),
            autocast=torch.bfloat16 if run.accelerator.mixed_precision == "bf16" else None,
        )


class Rounds:
    """The figures of the rounds so far, and where the present one began."""

    def __init__(self):
        self.figures: list[dict[str, float]] = []
        self.started_at = 0

    def __len__(self) -> int:
        return len(self.figures)

    def end(self, figures: dict[str, float], images_seen: int) -> None:
        self.figures.append(figures)
        self.started_at = images_seen

    def describe_last(self) -> str:
        """Such as "round 3: test accuracy 99.20 %, fooled 100.0 % at 99 % in 6.2 steps"."""
        last = self.figures[-1]
        accurate = f"test accuracy {last['test_accuracy']:.2%}, " if "test_accuracy" in last else ""
        seen = f", the judge recognises {last['recognised']:.1%} of what fooled it" if "recognised" in last else ""
        return (
            f"round {len(self)}: {accurate}fooled {last['fooled_99']:.1%} at 99 % and {last['fooled_50']:.1%} at 50 %,"
            f" median confidence {last['median_confidence']:.4f}, {last['steps_needed']:.1f} steps{seen}"
        )

    def write(self, file: Path) -> None:
        write_whole(file, json.dumps(self.figures, indent=2) + "\n")

    def state_dict(self) -> dict[str, Any]:
        return vars(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
