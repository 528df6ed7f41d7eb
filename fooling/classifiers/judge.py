"""An independent judge: does an image really show what a classifier takes it for?

It is trained apart, on images that are moved, turned and dirty, is never attacked, and teaches nobody. A fooling image
that it too recognises is no rubbish: the attack has drawn the thing.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fooling.classifiers.frozen import logits_of
from fooling.classifiers.networks import Classifier
from fooling.classifiers.train import accuracy
from fooling.data.batches import Batches
from fooling.data.load import DataConfig, default_root, held_out, load_config
from fooling.errors import CannotWrite, UserError
from fooling.files import write_json
from fooling.images import Images
from fooling.pretrained import WEIGHTS
from fooling.run.computing import computes_in_bf16
from fooling.run.optimizer import update
from fooling.run.progress import Count
from fooling.run.schedules import one_cycle
from fooling.run.threads import paying_threads
from fooling.seeds import seed_of, seeded

_SEED, _EPOCHS, _BATCH, _PEAK_RATE = 99, 4, 128, 4e-3
# Four epochs of 400 images are 12 steps, after which 18 % of them were right. A small set takes as many steps as this,
# of fewer images each, and sees them in more colours and, for the first part, lying in every way: of 400 drawn shapes
# that makes 99 % of fresh ones right instead of 83 %. Without end it would cost digits 2 %, so it ends, and costs none.
_FEWEST_STEPS, _SMALL_BATCH, _TURNED_UNTIL = 800, 64, 0.6
_LARGE = _FEWEST_STEPS * _BATCH // _EPOCHS  # images, from which on four epochs are as many steps
# Counted up with every change to how a judge is trained, so that no old one is taken for a new one. The first is that
# of the judge which ships, and of all other large sets of small images.
_RECIPE = "v2"
_DIGITS = "df4b8afb1e1e"  # what _digest says of MNIST's training images


class JudgeNet(Classifier):
    """Four 3x3 convolutions with BatchNorm, two of them with stride 2, and 96 hidden units.

    Of images of 64 pixels and more it sees the averages of 2 x 2, 3 x 3 ... pixels, so that it is quick to train.
    """

    folder: Path | None = None
    """Where it was read from: its score lies beside its weights."""

    def build(self, channels: int, image_size: int) -> None:
        if image_size < 8:
            raise UserError(f"the judge needs images of at least 8 pixels, got {image_size}")
        layers: list[nn.Module] = []
        for before, after, stride in ((channels, 24, 1), (24, 24, 2), (24, 48, 1), (48, 48, 2)):
            layers += [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.averaged = max(1, image_size // 32)
        side = (image_size // self.averaged + 3) // 4
        self.body = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(48 * side**2, 96), nn.ReLU(), nn.Dropout(0.3)
        )
        self.logits = nn.Linear(96, self.num_logits)

    def features(self, images: Tensor) -> Tensor:
        if self.averaged > 1:
            images = F.avg_pool2d(images, self.averaged)
        return self.body(2 * images - 1)


def trained_judge(data: DataConfig) -> JudgeNet:
    """The judge of a labelled data set: for MNIST the one that ships with this package, which has 99.55 % of the test
    digits right; for other images one that is trained on first use, in a few minutes. `score_judge` says how far it can
    be leant on.

    It is kept in $FOOLING_CACHE or ~/.cache/fooling, under a digest of the images and labels that it was trained on and
    of how. None that are held out for testing are among them.
    """
    images = load_config(data)
    digest = _digest(images)
    if digest == _DIGITS:
        return _read(WEIGHTS / "judge")
    recipe = "v1" if len(images) >= _LARGE and images.images.shape[-1] < 64 else _RECIPE
    folder = default_root() / "judges" / f"{data.name}-{digest}-{recipe}"
    if not (folder / "model.safetensors").exists():
        print(f"training a judge of {data.folder or data.name}, this once", flush=True)
        judge = train_judge(images)
        try:
            _keep(judge, folder)
        except (CannotWrite, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            print(f"the judge is not kept in {folder}: {reason}", flush=True)
            return judge
    return _read(folder)


def _keep(judge: JudgeNet, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as partial:
        judge.save_pretrained(Path(partial, "judge"))
        with suppress(OSError):  # another process was faster: its judge is as good
            Path(partial, "judge").rename(folder)


def is_mnist(data: Images) -> bool:
    """Whether these are MNIST's training images, whatever they are called."""
    return _digest(data) == _DIGITS


def _read(folder: Path) -> JudgeNet:
    judge = JudgeNet.from_pretrained(folder)
    judge.folder = folder
    return judge


@dataclass(frozen=True)
class JudgeScore:
    """How far a judge can be leant on.

    accuracy: the part, 0 to 1, of so many held-out `images` whose highest logit is the label's.
    """

    accuracy: float
    images: int

    @property
    def words(self) -> str:
        """Such as "the judge has 97.5 % of 40 held-out images right"."""
        digits = 1 if self.images < 1000 else 2
        return f"the judge has {100 * self.accuracy:.{digits}f} % of {self.images:,} held-out images right"

    @property
    def warning(self) -> str | None:
        """One line where that is too low to lean on its verdicts, below 95 %; else None."""
        if self.accuracy >= 0.95:
            return None
        return f"{self.words}: too few to lean on what it calls rubbish and what it recognises; give it more images"


def score_judge(judge: nn.Module, data: DataConfig) -> JudgeScore | None:
    """How well the judge reads the held-out images of a data set, none of which it was trained on; None where there are
    no such images, or they have no labels.

    That of a judge from `trained_judge` was measured once and lies beside its weights.
    """
    test = held_out(data)
    if test is None or test.labels is None:
        return None
    folder, digest = getattr(judge, "folder", None), _digest(test)
    if folder is not None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads((folder / "score.json").read_text(encoding="utf-8"))
            if kept.pop("digest") == digest:
                return JudgeScore(**kept)
    score = JudgeScore(accuracy(judge, test), len(test))
    if folder is not None and folder != WEIGHTS / "judge":
        with suppress(UserError):  # it can be measured again
            write_score(score, test, folder)
    return score


def write_score(score: JudgeScore, test: Images, folder: Path) -> None:
    """Keep a score beside a judge's weights, for the very images that it was measured on."""
    write_json({**asdict(score), "digest": _digest(test)}, folder / "score.json")


def _digest(data: Images) -> str:
    digest = hashlib.sha256(repr((data.images.shape, data.class_names)).encode())
    for tensor in (data.images, data.labels):
        if tensor is not None:
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:12]


@paying_threads()
def train_judge(data: Images, *, epochs: float | None = None) -> JudgeNet:
    """A judge of these images (Adam with decoupled weight decay, one-cycle rate, `moved` and `dirtied` images).

    epochs: how often it sees each image. Default: four times, as the one that ships did; but of a set that is too small
    for that as often as 800 steps come to, where it sees them `recoloured` and, at first, `turned` too.
    """
    if data.labels is None:
        raise UserError("a judge needs images with labels")
    channels, image_size = data.images.shape[1:3]
    with seeded(seed_of(_SEED)):  # the weights, and dropout
        judge = JudgeNet(
            image_size=image_size, channels=channels, num_classes=len(data.class_names), class_names=data.class_names
        )
        judge = judge.to(memory_format=torch.channels_last).train()
        is_small = epochs is None and len(data) < _LARGE
        batch = _SMALL_BATCH if is_small else _BATCH
        steps = round((_EPOCHS if epochs is None else epochs) * len(data) / batch)
        steps = max(steps, _FEWEST_STEPS) if is_small else steps
        batches = Batches(data, seed=_SEED)
        optimizer = torch.optim.AdamW(judge.parameters(), _PEAK_RATE, weight_decay=0.01)
        with Count("training the judge", steps, "steps") as count:
            for step in range(steps):
                images, labels = batches.take_labelled(step * batch, batch)
                generator = torch.Generator().manual_seed(seed_of(_SEED, step))
                if is_small and step < _TURNED_UNTIL * steps:
                    images = turned(images, generator)
                if is_small:
                    images = recoloured(images, generator)
                with torch.autocast("cpu", torch.bfloat16, enabled=computes_in_bf16()):
                    loss = F.cross_entropy(judge(dirtied(moved(images, generator), generator)), labels)
                loss.backward()
                update(optimizer, one_cycle(_PEAK_RATE, step / steps))
                count.add()
    return judge.eval()


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image (n, c, h, w) shifted by up to a fourteenth of its size, turned by up to 12 degrees, sheared and
    scaled by up to a tenth."""
    # By hand: torchvision's RandomAffine draws once for a whole batch, and image by image takes 17 times as long.
    n = len(images)
    angle, scale, shear, across, down = (torch.rand(5, n, generator=generator) * 2 - 1) * torch.tensor(
        [[0.21], [0.1], [0.1], [1 / 7], [1 / 7]]
    )
    scale = 1 + scale
    rows = [scale * angle.cos(), shear - scale * angle.sin(), across, scale * angle.sin(), scale * angle.cos(), down]
    grid = F.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def turned(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every second square image (n, c, h, w) turned by a multiple of 90 degrees and perhaps mirrored, whichever comes.

    A shape that means the same whichever way it lies is learned from far fewer images; and a 6 is still likelier to be
    a 6 than to be a 9 that stands on its head.
    """
    chosen = torch.arange(len(images)) // 2 % 2  # not those that will be dirtied, but half of these and of the others
    which = torch.randint(8, (len(images),), generator=generator) * chosen
    ways = [way for quarter in range(4) for way in (images.rot90(quarter, (2, 3)), images.rot90(quarter, (2, 3)).mT)]
    return torch.stack(ways)[which, torch.arange(len(images))]


def recoloured(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image (n, c, h, w) with its channels mixed a little, which changes contrast and hue, and lighter or darker:
    what tells classes apart is hardly ever this."""
    n, channels = images.shape[:2]
    mix = torch.eye(channels) + 0.3 * torch.randn(n, channels, channels, generator=generator)
    shade = 0.1 * torch.randn(n, channels, 1, 1, generator=generator)
    return (torch.einsum("nij,njhw->nihw", mix, images - 0.5) + 0.5 + shade).clamp(0, 1)


def dirtied(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every second image (n, c, h, w) paled by up to a half, under uniform noise of up to as much: what a climb draws
    has dirt around it that people look past, and a judge of clean images alone stumbles over."""
    n = len(images)
    dirt = torch.rand(n, 1, 1, 1, generator=generator) / 2 * (torch.arange(n) % 2).view(n, 1, 1, 1)
    return (1 - dirt) * images + dirt * torch.rand(images.shape, generator=generator)


def recognised(judge: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """bool (n,) on the CPU: for which images (n, c, h, w) in [0, 1] the judge's first answer is the target (n,).

    Whatever mode the judge is in, it answers in evaluation mode and is left as it was. Raises UserError for images
    that it does not take.
    """
    if not len(images):
        return torch.zeros(0, dtype=torch.bool)
    return logits_of(judge, images).argmax(1) == targets.cpu()
