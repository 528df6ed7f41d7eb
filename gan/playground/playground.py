"""One page in which the networks run in the browser: gan playground --open

    gan playground --models lenet runs/mine --generator runs/mnist --output playground.html

Draw, and see what each network reads and what it would like; fool them; watch a generator draw. The page holds all that
it needs: it opens from disk, with the network off, and any static host takes it as it is.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fooling.classifiers.frozen import logits_of
from fooling.classifiers.load import InputConfig, data_for, misfit, open_classifier
from fooling.classifiers.networks import input_shape_of, num_classes_of, reject_index
from fooling.data.load import DataConfig, load, load_config
from fooling.errors import UserError
from fooling.files import writable, write_text
from fooling.images import Images, to_float
from fooling.options.paths import path_of
from fooling.options.settings import Settings
from fooling.seeds import seed_of
from gan.latent import class_means, draw_latents
from gan.networks.generator import Generator
from gan.playground.export import as_data, chain_of, in_base64, rounded
from gan.saved import open_generator

_MOST = 3  # classifiers, side by side
_GREY = (1, 28, 28)
_EXAMPLES = 20  # test images
_LOOKED_THROUGH = 2000  # test images, to find them among
_LATENTS, _FOR_MEANS = 64, 2000
_SCRIPTS = ("engine", "words", "page", "draw", "fool", "save", "latents", "address")
_HERE = Path(__file__).parent


@dataclass
class PlaygroundConfig(Settings):
    """Write a page in which networks run in the browser: draw, fool them, watch a generator draw."""

    models: list[str] = field(default_factory=lambda: ["lenet", "harden"])
    """One to three classifiers of grey images of 28 x 28 pixels, as `fooling trick --model` takes them: lenet, softmax
    or harden, the folders of runs, hub:owner/name, or package.module:factory."""

    generator: str | None = None
    """A generator of such images, without classes, whose pictures can then be asked for too: a run's folder, or a
    generator's, or hub:owner/name."""

    input: InputConfig = field(default_factory=InputConfig)
    """The images that a package.module:factory takes."""

    data: DataConfig = field(default_factory=DataConfig)
    """The test images to begin with. Default: those of what the runs were trained on, else MNIST."""

    output: str = "playground.html"
    """The file to write."""

    open: bool = False
    """Show it in the browser then."""

    def __post_init__(self) -> None:
        if Path(self.output).suffix.lower() != ".html":
            raise UserError(f"--output must name a .html file, got {self.output}")


def write_playground(config: PlaygroundConfig) -> Path:
    """Write the page, and return its path.

    Raises UserError, before anything is written, for networks that cannot be loaded or cannot go into the page.
    """
    path, sources = writable(config.output), list(dict.fromkeys(config.models))
    classifiers = {source: open_classifier(source, config.input) for source in sources}
    saved = None if config.generator is None else open_generator(config.generator)
    images = load_config(data_for(classifiers, config.data), "test") if classifiers else None
    named = dict(zip(_names(sources), classifiers.values(), strict=True))
    page = playground(named, saved.generator if saved else None, images=images)
    write_text(page, path)
    inside = [*named, *([f"the generator of {saved.name}"] if saved else [])]
    listed = " and ".join(filter(None, [", ".join(inside[:-1]), inside[-1]]))
    print(f"{path}: {listed} in {len(page.encode()) / 1e6:.2g} MB, to be opened in any browser")
    if config.open:
        webbrowser.open(path.resolve().as_uri())
    return path


def playground(
    classifiers: Mapping[str, nn.Module], generator: Generator | None = None, *, images: Images | None = None
) -> str:
    """The page, as HTML that needs nothing else; the same networks give the same bytes.

    classifiers: one to three, by the names that the page shall call them: chains of the layers that
        gan/playground/export.py knows, from grey images of 28 x 28 pixels in [0, 1] to logits of the same classes.
    generator: one of such images, without classes, whose latents the page then asks.
    images: what the examples are taken from, such as the test images of those classes. Default: MNIST's.

    Raises UserError, in one line, for networks that cannot go into the page, or do not fit each other or the images.
    """
    images = load("mnist", "test") if images is None else images
    names = _classes(classifiers, images)
    examples, labels, numbers = _examples(list(classifiers.values()), images, len(names))
    tried = torch.cat([examples[:16], torch.rand(16, *_GREY, generator=torch.Generator().manual_seed(0))])
    data: dict[str, Any] = {
        "names": names,
        "digits": names == [str(digit) for digit in range(10)],
        "classifiers": [
            {
                "name": name,
                "rejects": reject_index(classifier) is not None,
                "network": as_data(rounded(name, chain_of(name, classifier, tried), tried, logits=True)),
            }
            for name, classifier in classifiers.items()
        ],
        "examples": {
            "images": in_base64(examples.mul(255).round().to(torch.uint8)), "labels": labels, "numbers": numbers,
        },
    }  # fmt: skip
    if generator is not None:
        data["generator"] = _of_generator(generator, next(iter(classifiers.values())))
    return _page(data)


def _names(sources: Sequence[str]) -> list[str]:
    """What to call classifiers: by their folders, or in full where that does not tell them apart."""
    folders = [path_of(s).resolve() if "/" in s and ":" not in s else Path(s) for s in sources]
    short = [folder.parent.name if folder.name == "classifier" else folder.name for folder in folders]
    return short if len(set(short)) == len(short) else list(sources)


def _classes(classifiers: Mapping[str, nn.Module], images: Images) -> list[str]:
    """What the classes are called that all classifiers know, "none" apart."""
    if not 1 <= len(classifiers) <= _MOST:
        raise UserError(f"the page takes one to three classifiers, got {len(classifiers)}")
    for name, classifier in classifiers.items():
        shape = input_shape_of(classifier)
        if shape != _GREY:
            by = " x ".join(map(str, shape))
            raise UserError(f"{name} cannot go into the page: it takes images of {by}, and the page draws 1 x 28 x 28")
        if (wrong := misfit(images, classifier)) is not None:
            raise UserError(f"{name}: {wrong}")
    return list(images.class_names)


def _examples(classifiers: Sequence[nn.Module], images: Images, classes: int) -> tuple[Tensor, list[int], list[int]]:
    """Test images (n, 1, 28, 28) that every classifier reads right: of each class the first of all, and where there is
    room the one that they are least sure of; their labels, and their numbers among all."""
    some = images[:_LOOKED_THROUGH]
    pixels, targets = to_float(some.images), some.targets
    known = [logits_of(classifier, pixels).softmax(1) for classifier in classifiers]
    right = torch.stack([p.argmax(1) == targets for p in known]).all(0)
    sure = torch.stack([p.gather(1, targets[:, None])[:, 0] for p in known]).mean(0)
    numbers: list[int] = []
    for label in range(min(classes, _EXAMPLES)):
        found = (right & (targets == label)).nonzero()[:, 0]
        if len(found):
            doubtful = int(found[sure[found].argmin()])
            numbers += [int(found[0]), doubtful][: 1 + (2 * classes <= _EXAMPLES and doubtful != found[0])]
    if not numbers:
        raise UserError("the classifiers read none of the test images right: are they of what they were trained on?")
    return pixels[numbers], targets[numbers].tolist(), numbers


def _of_generator(generator: Generator, reader: nn.Module) -> dict[str, Any]:
    """The generator, latents to walk between, which are those of gan sample, and the mean latent of each class as the
    first of the classifiers reads it."""
    if generator.num_classes:
        raise UserError("the generator cannot go into the page: it draws the class that it is asked for")
    latents = draw_latents(_LATENTS, generator.latent_dim, seed=0)
    shape = tuple(generator.sample(latents=latents[:1]).shape[1:])
    if shape != _GREY:
        by = " x ".join(map(str, shape))
        raise UserError(f"the generator cannot go into the page: it draws images of {by}, and the page 1 x 28 x 28")
    chain = rounded("the generator", chain_of("the generator", generator, latents), latents, logits=False)
    many = draw_latents(_FOR_MEANS, generator.latent_dim, seed_of(0, "means"))
    read = logits_of(reader, generator.sample(latents=many))[:, : num_classes_of(reader)].argmax(1)
    means = class_means(many, read)
    drawn = [label for label in range(len(means)) if not means[label].isnan().any()]
    return {
        "dim": generator.latent_dim,
        "network": as_data(chain),
        "latents": in_base64(latents.half()),
        "means": in_base64(means[drawn].half()),
        "drawn": drawn,
    }


def _page(data: Mapping[str, Any]) -> str:
    """The parts put together. What is drawn from outside is escaped, and nothing runs but what is named by its hash."""
    style, script = _part("page.css"), "".join(_part(f"{name}.js") for name in _SCRIPTS)
    script = re.sub(r"^ +|^ *//.*\n|  //.*|^\n", "", script, flags=re.MULTILINE)  # what is for its readers
    allowed = [
        "default-src 'none'", f"script-src {_hash(script)}", f"style-src {_hash(style)}", "img-src data:",
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    networks = [classifier["name"] for classifier in data["classifiers"]]
    parts = {
        "policy": "; ".join(allowed),
        "title": html.escape(f"Playground: {', '.join(networks)}"),
        "style": style,
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _part("page.html"))


def _part(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
