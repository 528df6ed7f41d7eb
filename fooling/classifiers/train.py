"""Train a classifier.

    accelerate launch -m fooling train --config configs/classifier.yaml

Starting again with the same command goes on from the newest checkpoint, exactly as if it had never stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fooling.classifiers.frozen import logits_of
from fooling.classifiers.networks import MODELS, Classifier, Model
from fooling.data.batches import Batches
from fooling.data.load import DataConfig, held_out, load_config
from fooling.errors import UserError, require_positive
from fooling.images import Images, to_float
from fooling.run.card import model_card, named
from fooling.run.checkpoints import Stateful
from fooling.run.config import RunConfig
from fooling.run.optimizer import new_adam, new_network, update
from fooling.run.processes import Processes
from fooling.run.run import Run
from fooling.run.schedules import one_cycle
from fooling.seeds import seed_of


@dataclass
class TrainConfig(RunConfig):
    """Train a classifier."""

    name: str = "classifier"
    """The run's name, and that of its folder below runs/."""

    model: Model = "lenet"
    """lenet has two convolutions and 99.3 % of MNIST's test digits right, softmax is linear and has 92 %."""

    kimg: float = 360.0
    """How long to train, in thousands of images seen."""

    batch_size: int = 128
    """Images in a step, over all processes."""

    learning_rate: float = 3e-3
    """Adam's learning rate at its peak, a third of the way through."""

    evaluate_kimg: float = 60.0
    """Thousands of images between measurements of the accuracy on the test images."""

    data: DataConfig = field(default_factory=DataConfig)
    """The images and their labels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(
            kimg=self.kimg,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            evaluate_kimg=self.evaluate_kimg,
        )
        if self.model not in MODELS:
            raise UserError(f"unknown model {self.model!r}: expected one of {', '.join(MODELS)}")


def train(config: TrainConfig) -> None:
    """Train as configured, or go on with a run that was interrupted; the folder runs/NAME then holds everything.

    Raises UserError, before anything is written, for settings that do not fit each other, the data or the processes;
    also where training stops because the loss or a gradient is not finite.
    """
    with Run(config, total_images=round(config.kimg * 1000), product="classifier/model.safetensors") as run:
        data, test = run.processes.first_here(lambda: labelled(config.data))
        training = Training(config, run, data, test)
        on = f"{len(data)} images of {named(config.data)}"
        for _ in run.steps(training, batch_size=config.batch_size, on=on, data=data):
            if test and run.due(config.evaluate_kimg):
                right = accuracy(training.classifier, test, run.processes)
                run.record({"test_accuracy": torch.tensor(right, device=run.device)})


class Training:
    """The classifier, its optimiser, and one step of training it.

    state: what a checkpoint holds of it. The images of a step are a function of (seed, images seen), and nothing else
    is drawn, so that a resumed run goes on exactly.
    """

    def __init__(self, config: TrainConfig, run: Run, data: Images, test: Images | None):
        self.config, self.run, self.test = config, run, test
        self.batches = Batches(data, run.device, seed=config.seed)
        self.share = run.processes.share(config.batch_size)
        channels, image_size = data.images.shape[1:3]
        make = partial(
            MODELS[config.model], image_size=image_size, channels=channels, num_classes=len(data.class_names),
            class_names=data.class_names,
        )  # fmt: skip
        self.classifier = new_network(make, seed_of(config.seed), run.device)
        self.optimizer = new_adam(self.classifier, config.learning_rate)
        self.state: dict[str, Stateful] = {"classifier": self.classifier, "optimizer": self.optimizer}

    def step(self) -> dict[str, Tensor]:
        """One update; returns the figures of the step."""
        run, share = self.run, self.share
        self.classifier.train()
        images, labels = self.batches.take_labelled(run.images_seen + share.start, share.stop - share.start)
        with run.precision.autocast():
            loss = F.cross_entropy(self.classifier(images), labels)
        scaler = run.scaler("classifier")
        scaler.scale(loss).backward()
        rate = one_cycle(self.config.learning_rate, run.images_seen / run.total_images)
        return {"loss": loss, "gradient_norm": update(self.optimizer, rate, run.processes, scaler)}

    def publish(self) -> None:
        """Write the classifier so far."""
        publish_classifier(self.run, self.config.data, self.classifier)

    def finish(self) -> None:
        """Write the classifier that others load."""
        right = accuracy(self.classifier, self.test) if self.test else None
        save_classifier(self.run, self.config.data, self.classifier, right)


def accuracy(classifier: nn.Module, data: Images, processes: Processes | None = None) -> float:
    """The part of a data set's images whose highest logit is the label's.

    processes: those who share the work, each of which calls this and is given the same answer. Default: this one alone.
    """
    rows = slice(None) if processes is None else processes.rows(len(data))
    right = 0
    for images, labels in zip(data.images[rows].split(1000), data.targets[rows].split(1000), strict=True):
        if len(images):
            right += int((logits_of(classifier, to_float(images)).argmax(1) == labels).sum())
    return (right if processes is None else sum(processes.tell(right))) / len(data)


def labelled(config: DataConfig) -> tuple[Images, Images | None]:
    """The training images, and those that are held out for testing, if there are any."""
    data = load_config(config)
    if data.labels is None:
        raise UserError(f"a classifier needs labels, and {config.name} has none")
    return data, held_out(config)


_EXAMPLE = """\
from fooling import Classifier

classifier = Classifier.from_pretrained("path/to/this/folder")    # or "owner/name" on the Hugging Face Hub
logits = classifier(images)                                       # of float32 images in [0, 1]"""


def publish_classifier(run: Run, data: DataConfig, classifier: Classifier, test_accuracy: float | None = None) -> Path:
    """Write the classifier that others load, with its card; returns its folder."""
    card = model_card(
        run.config,
        data,
        run.summary(),
        task="image-classification",
        what=f"A classifier of images of {named(data)}{_measured(test_accuracy)}, trained with fooling-gan.",
        example=_EXAMPLE,
        metrics=None if test_accuracy is None else {"accuracy": test_accuracy},
    )
    return classifier.save_pretrained(run.folder / "classifier", card=card)


def save_classifier(run: Run, data: DataConfig, classifier: Classifier, test_accuracy: float | None) -> None:
    """Write the classifier of a finished run, and hand it to the tracker."""
    folder = publish_classifier(run, data, classifier, test_accuracy)
    run.tracker.log_folder(f"{run.folder.name}-classifier", "model", folder, run.summary())
    run.say(f"a classifier{_measured(test_accuracy)} is in {folder}")


def _measured(test_accuracy: float | None) -> str:
    return "" if test_accuracy is None else f" that has {100 * test_accuracy:.2f} % of the test images right"
