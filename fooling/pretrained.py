"""Networks saved as a folder: config.json, model.safetensors and a README.md that is the model card.

The layout is the Hugging Face Hub's, so that the folder can be pushed there as it is. Nothing is ever unpickled.
"""

from __future__ import annotations

import inspect
import json
import os
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from typing_extensions import Self

from fooling.errors import MissingFile, UserError

HUB = "hub:"

# Installed packages name their modules with Pretrained classes under this entry point, so that a saved network can be
# loaded where nobody has imported its class: this package stands below `gan` and does not know it.
PROVIDERS = "fooling.networks"


class Pretrained(nn.Module):
    """A network that saves itself with the arguments it was made with.

    A subclass sets `self.config` to the keyword arguments of its __init__, all of them plain JSON values.
    """

    config: dict[str, Any]
    _classes: ClassVar[dict[str, type[Pretrained]]] = {}

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        Pretrained._classes[cls.__name__] = cls

    def save_pretrained(self, folder: str | os.PathLike, *, card: str | None = None) -> Path:
        """Write config.json, model.safetensors and, given the text of a model card, README.md; return the folder.

        Each file is written under another name and renamed, so that a reader never meets half of one.

        Raises UserError where the folder cannot be written.
        """
        folder = Path(folder).expanduser()
        config = {"class": type(self).__name__, **self.config}
        tensors = {name: t.detach().cpu().contiguous() for name, t in self.state_dict().items()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
                Path(partial, "config.json").write_text(json.dumps(config, indent=2) + "\n")
                save_file(tensors, Path(partial, "model.safetensors"), metadata={"format": "pt"})
                if card is not None:
                    Path(partial, "README.md").write_text(card)
                for file in sorted(Path(partial).iterdir()):
                    file.replace(folder / file.name)
        except (OSError, SafetensorError) as error:
            raise UserError(f"cannot write {folder}: {_said(error)}") from error
        return folder

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike) -> Self:
        """The network saved in a folder, or at `hub:owner/name` on the Hugging Face Hub, in evaluation mode.

        Called on a subclass it insists on that class; called on Pretrained it takes whichever class was saved.

        Raises MissingFile for a folder that is not there or is incomplete, and UserError for a configuration with
        unknown or missing keys or impossible values, weights that do not fit it exactly, or a file that cannot be read.
        """
        folder = _download(str(source)) if str(source).startswith(HUB) else Path(source).expanduser()
        for file in ("config.json", "model.safetensors"):
            if not (folder / file).is_file():
                raise MissingFile(
                    f"no saved {_noun(cls)} in {folder}: {file} is not there"
                    f" (a model on the Hugging Face Hub is named {HUB}owner/name)"
                )
        try:
            config = json.loads((folder / "config.json").read_text())
            tensors = load_file(folder / "model.safetensors")
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(f"cannot read the {_noun(cls)} in {folder}: {_said(error)}") from error
        network = _construct(cls, config, folder / "config.json")
        _check_weights(network, tensors, folder / "model.safetensors")
        network.load_state_dict(tensors)
        return network.eval()

    def push_to_hub(
        self, repo: str, *, folder: str | os.PathLike | None = None, private: bool = False, token: str | None = None
    ) -> str:
        """Upload to `owner/name` on the Hugging Face Hub, making the repository if need be; return its address.

        folder: a folder saved earlier, to upload as it is with its card and pictures. Default: save this network.
        token: a Hub token with write access. Default: the one that `hf auth login` stored.

        Raises UserError where the Hub cannot be reached or refuses.
        """
        from huggingface_hub import HfApi

        with tempfile.TemporaryDirectory() as temporary:
            source = self.save_pretrained(temporary) if folder is None else Path(folder).expanduser()
            try:
                address = HfApi(token=token).create_repo(repo.removeprefix(HUB), private=private, exist_ok=True)
                HfApi(token=token).upload_folder(repo_id=address.repo_id, folder_path=source)
            except Exception as error:  # what its HTTP library raises differs from release to release
                raise UserError(f"cannot upload to {repo} on the Hugging Face Hub: {_said(error)}") from error
        return str(address)


def _noun(cls: type) -> str:
    return "network" if cls is Pretrained else cls.__name__


def _download(source: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source.removeprefix(HUB), allow_patterns=["config.json", "model.safetensors"]))
    except Exception as error:  # what its HTTP library raises differs from release to release
        raise MissingFile(f"cannot get {source} from the Hugging Face Hub: {_said(error)}") from error


def _said(error: Exception) -> str:
    """The first of what an error says, in one line: the Hub's say what happened, then give lines of advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__


def _construct(cls: type[Pretrained], config: Any, file: Path) -> Pretrained:
    name = config.pop("class", None) if isinstance(config, dict) else None
    if isinstance(name, str) and name not in Pretrained._classes:
        for provider in entry_points(group=PROVIDERS):
            provider.load()  # importing it makes its classes known
    saved_class = Pretrained._classes.get(name) if isinstance(name, str) else None
    if saved_class is None:
        raise UserError(f"{file} names no known class: it says {name!r}, known are {', '.join(Pretrained._classes)}")
    if not issubclass(saved_class, cls):
        raise UserError(f"{file} holds a {saved_class.__name__}, not a {cls.__name__}")
    expected = {name for name in inspect.signature(saved_class.__init__).parameters if name != "self"}
    if unknown := sorted(set(config) - expected):
        raise UserError(f"{file} has unknown keys: {', '.join(unknown)} (known are {', '.join(sorted(expected))})")
    if missing := sorted(expected - set(config)):
        raise UserError(f"{file} lacks the keys {', '.join(missing)}")
    try:
        return saved_class(**config)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{file} does not describe a {saved_class.__name__}: {_said(error)}") from error


def _check_weights(network: nn.Module, tensors: dict[str, torch.Tensor], file: Path) -> None:
    expected = network.state_dict()
    if unknown := sorted(set(tensors) - set(expected)):
        raise UserError(f"{file} has weights that the network does not: {', '.join(unknown)}")
    if missing := sorted(set(expected) - set(tensors)):
        raise UserError(f"{file} lacks the weights {', '.join(missing)}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise UserError(f"{file}: {name} has shape {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}")
