"""Features of images, from a network that has a name and a version: what every figure of the ruler is measured on.

Real images' are kept, under the contents of the images and of the network, in features/ below the cache's root.
"""

from __future__ import annotations

import hashlib
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as in_safetensors
from torch import Tensor, nn

from fooling.classifiers.frozen import frozen
from fooling.classifiers.judge import JudgeNet, JudgeScore, score_judge, trained_judge
from fooling.data.load import DataConfig
from fooling.errors import MissingFile, UserError
from fooling.images import Images, to_float
from fooling.pretrained import WEIGHTS
from fooling.run.computing import Precision, use_flags
from fooling.run.processes import Processes
from fooling.run.progress import Count

Kind = Literal["auto", "judge", "inception"]

BLOCK = 256  # images that one process looks at together: however many processes there are, the sums are the same


class Extractor(Protocol):
    """A network whose features images are compared in.

    kind: a word for it, which begins the names of figures. name: which very network, for people to compare theirs with.
    words: the same, and how far it can be leant on. digest: of its weights. size: how many features an image has.
    classes: how many classes of the data it tells apart; 0 where those it knows are not the data's.
    """

    kind: str
    name: str
    words: str
    digest: str
    size: int
    classes: int

    def features(self, images: Tensor) -> Tensor:
        """Of uint8 images (n, c, h, w), so of what would be seen in a PNG: float32 (n, size), where it computes."""

    def probabilities(self, features: Tensor) -> Tensor:
        """What classes it takes images of these features for: float32 (n, k)."""


class JudgeFeatures:
    """The last hidden layer of a judge (fooling/classifiers/judge.py), which no training has seen.

    channels: more than 1 for a judge of grey images that looks at each channel by itself: the features of all are
        joined, and the class is their classes, read as the digits of a number.
    score: how well it reads.
    """

    kind = "judge"

    def __init__(
        self,
        judge: JudgeNet,
        name: str,
        *,
        device: torch.device | str = "cpu",
        channels: int = 1,
        score: JudgeScore | None = None,
    ):
        self._judge = judge.to(device)
        self.device, self._channels = torch.device(device), channels
        self.digest = _digest(*_weights(judge), str(channels))
        self.name = name if judge.folder == WEIGHTS / "judge" else f"{name} (weights {self.digest[:6]})"
        self.words = self.name if score is None else f"{self.name} ({score.words})"
        self.size, self.classes = judge.logits.in_features * self._channels, judge.num_classes**self._channels

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        with frozen(self._judge), in_full(self.device):
            return torch.cat([self._of(part) for part in images.split(128 if self.device.type == "cpu" else 1024)])

    def _of(self, images: Tensor) -> Tensor:
        pixels = to_float(images, self.device)
        if self._channels > 1:
            pixels = pixels.flatten(0, 1)[:, None]
        return self._judge.features(pixels).view(len(images), self.size)

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        with in_full(self.device):
            each = self._judge.logits(features.to(self.device).unflatten(1, (self._channels, -1))).softmax(2)
        joint = each[:, 0]
        for channel in range(1, self._channels):
            joint = (joint[:, :, None] * each[:, channel, None]).flatten(1)
        return joint


class InceptionFeatures:
    """The 2,048 pooled features of the Inception v3 that the FID is defined by (Heusel et al. 2017), its weights as
    converted by torch-fidelity, which also resizes images as the original did.

    Raises MissingFile, in one line, where that package or its weights are not to be had.
    """

    kind = "inception"
    name = words = "inception-v3-2015-12-05"
    size, classes = 2048, 0

    def __init__(self, *, device: torch.device | str = "cpu"):
        self._network = _inception().to(device)
        self.device = torch.device(device)
        self.digest = _digest(*_weights(self._network))

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        with in_full(self.device):
            parts = images.to(self.device).expand(-1, 3, -1, -1).split(64)
            return torch.cat([self._network(part)[0].float() for part in parts])

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        with in_full(self.device):  # without the last layer's bias, as the inception score is computed
            return (features.to(self.device) @ self._network.fc.weight.T).softmax(1)


def _inception() -> Any:
    instead = "; for images with labels, ruler judge needs nothing of the kind"
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as its
    except ImportError as error:
        raise MissingFile(f"inception needs another package: pip install 'fooling-gan[inception]'{instead}") from error
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(60)  # a download would wait for ever
    try:
        torch.hub.load_state_dict_from_url(
            its.URL_INCEPTION_V3, weights_only=True
        )  # what it unpickles is weights alone
        return its.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    except Exception as error:  # what a download raises differs from release to release
        reason = " ".join(str(error).split()) or type(error).__name__
        file = its.URL_INCEPTION_V3.rpartition("/")[2]
        raise MissingFile(
            f"the weights of inception cannot be had ({reason}): put {file}, from the releases of torch-fidelity, into"
            f" {Path(torch.hub.get_dir(), 'checkpoints')}{instead}"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def extractor_for(data: DataConfig, images: Images, kind: Kind, device: torch.device | str = "cpu") -> Extractor:
    """The network that images of a data set are compared in; see MetricsConfig.ruler.

    images: those to train on. A judge that does not ship is trained of them on first use, and kept.

    Raises UserError, in one line, where it is not to be had.
    """
    if kind == "auto":
        of_photographs = data.name in ("cifar10", "stl10") or images.labels is None
        kind = "inception" if of_photographs else "judge"
    if kind == "inception":
        return InceptionFeatures(device=device)
    if images.labels is None:
        raise UserError(f"a judge needs labels, and {data.folder or data.name} has none: choose ruler inception")
    per_channel = images.images.shape[1] if data.name == "stacked-mnist" else 1
    of = DataConfig(image_size=data.image_size) if per_channel > 1 else data  # whose digits they are
    judge = trained_judge(of)
    version = "v1" if judge.folder is None or judge.folder == WEIGHTS / "judge" else judge.folder.name.split("-")[-1]
    name = f"judge-{version} of {of.name}{', channel by channel' if per_channel > 1 else ''}"
    return JudgeFeatures(judge, name, device=device, channels=per_channel, score=score_judge(judge, of))


def features_of(
    extractor: Extractor, count: int, take: Callable[[slice], Tensor], processes: Processes, what: str = ""
) -> Tensor:
    """The features float32 (count, size) of many images, which all processes share the work of and all are given.

    take: gives the uint8 images (n, c, h, w) of some rows. what: they are, for those who wait.
    """
    blocks = [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
    parts = [torch.empty(0, extractor.size, device=processes.device)]
    with Count(f"looking at {what}", count, "images") if what and processes.is_main else nullcontext() as progress:
        for block in blocks[processes.rows(len(blocks))]:
            parts.append(extractor.features(take(block)).to(processes.device))
            if progress is not None:
                progress.add((block.stop - block.start) * processes.count)
    return processes.gather(torch.cat(parts))


def kept_features(extractor: Extractor, images: Tensor, processes: Processes, root: Path, what: str) -> Tensor:
    """The features of real images (n, c, h, w), from the cache below `root` where they have been computed before."""
    file = root / "features" / f"{_digest(images)[:20]}-{extractor.digest[:20]}.safetensors"
    kept = _read(file, (len(images), extractor.size))
    if all(processes.tell(kept is not None)) and kept is not None:
        return kept.to(processes.device)
    found = features_of(extractor, len(images), images.__getitem__, processes, what)
    if processes.is_first_here:
        _write(found.cpu(), file)
    return found


def _read(file: Path, shape: tuple[int, int]) -> Tensor | None:
    with suppress(OSError, KeyError, SafetensorError):  # whatever is wrong with it, they can be computed again
        features = load_file(file)["features"]
        return features if features.shape == shape and features.dtype == torch.float32 else None
    return None


def _write(features: Tensor, file: Path) -> None:
    with suppress(OSError):  # a cache that cannot be written costs time, and nothing else
        file.parent.mkdir(parents=True, exist_ok=True)
        # A folder of its own, for another run may be writing the same.
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".partial-") as partial:
            whole = Path(partial, file.name)
            whole.write_bytes(in_safetensors({"features": features.contiguous()}))
            whole.replace(file)


@contextmanager
def in_full(device: torch.device) -> Iterator[None]:
    """Within, networks compute in all of float32, whatever training does beside them."""
    with ExitStack() as until:
        use_flags(Precision("no", "metrics", device), until)
        until.enter_context(torch.autocast(device.type, enabled=False))
        yield


def _weights(network: nn.Module) -> list[Tensor | str]:
    return [part for pair in sorted(network.state_dict().items()) for part in pair]


def _digest(*parts: Tensor | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
        else:
            array = part.detach().cpu().contiguous().numpy()
            digest.update(repr((array.dtype.str, array.shape)).encode())
            digest.update(array.data)
    return digest.hexdigest()
