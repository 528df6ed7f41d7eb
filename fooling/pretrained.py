"""Networks saved as a folder: config.json, model.safetensors and a README.md that is the model card.

The layout is the Hugging Face Hub's, so that the folder can be pushed there as it is. Nothing is ever unpickled.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as in_safetensors
from torch import nn
from typing_extensions import Self

from fooling.errors import CannotWrite, MissingFile, UserError
from fooling.options.paths import path_of

HUB = "hub:"
_ON_HUB = re.compile(r"(?!runs/)[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")  # owner/name; runs/ is where runs are, here
WEIGHTS = Path(__file__).parent / "weights"  # the networks that ship with this package, a folder each

# Installed packages name their modules with Pretrained classes under this entry point, so that a saved network can be
# loaded where nobody has imported its class: this package stands below `gan` and does not know it. The classes in and
# below these modules are known by their bare names; nothing else is imported because a file asks for it.
PROVIDERS = "fooling.networks"


class Pretrained(nn.Module):
    """A network that saves itself with the arguments it was made with.

    A subclass sets `self.config` to the keyword arguments of its __init__, all of them plain JSON values.
    """

    config: dict[str, Any]
    _saved_as: ClassVar[str | None] = None
    _classes: ClassVar[dict[str, type[Pretrained]]] = {}  # all that were ever made, by "module:Class"

    def __init_subclass__(cls, *, saved_as: str | None = "", **kwargs: Any):
        """saved_as: its bare name in config.json. Default: the class's; None for a base, which is never saved."""
        super().__init_subclass__(**kwargs)
        cls._saved_as = cls.__name__ if saved_as == "" else saved_as
        Pretrained._classes[_full_name(cls)] = cls

    def save_pretrained(
        self,
        folder: str | os.PathLike,
        *,
        card: str | None = None,
        dtype: torch.dtype = torch.float32,
        beside: Callable[[Path], Any] | None = None,
    ) -> Path:
        """Write config.json, model.safetensors and, given the text of a model card, README.md; return the folder.

        dtype: in which to keep float32 weights, such as torch.float16 for half the size. They are loaded as float32.
        beside: called with a folder to write more files into, such as the pictures of the card.

        A new folder appears whole or not at all. In one that exists each file is written under another name and
        renamed, so that a reader never meets half of one.

        Raises UserError where the folder cannot be written.
        """
        folder = path_of(folder)
        config = {"class": _saved_name(type(self)), **self.config}
        kept = {name: t.to(dtype) if t.dtype == torch.float32 else t for name, t in self.state_dict().items()}
        tensors = {name: t.detach().cpu().contiguous() for name, t in kept.items()}
        try:
            is_new = not folder.exists()
            if is_new and not folder.parent.exists():
                folder.parent.mkdir(parents=True)
            with tempfile.TemporaryDirectory(dir=folder.parent if is_new else folder, prefix=".partial-") as partial:
                made = Path(partial, "whole")
                made.mkdir()  # with the rights that the user gives to folders: the temporary one is for its owner only
                (made / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
                weights = in_safetensors(tensors, metadata={"format": "pt"})  # its save_file lets only the owner read
                (made / "model.safetensors").write_bytes(weights)
                if card is not None:
                    (made / "README.md").write_text(card, encoding="utf-8")
                if beside is not None:
                    beside(made)
                if is_new:
                    made.rename(folder)
                else:
                    for file in sorted(made.iterdir()):
                        file.replace(folder / file.name)
        except (OSError, SafetensorError) as error:
            raise CannotWrite(f"cannot write {folder}: {getattr(error, 'strerror', None) or _said(error)}") from error
        return folder

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike) -> Self:
        """The network saved in a folder, or on the Hugging Face Hub, in evaluation mode.

        Called on a subclass it insists on that class; called on Pretrained it takes whichever class was saved.

        source: a folder, `hub:owner/name`, or `owner/name` where there is no such folder here.

        Raises MissingFile for a folder that is not there or is incomplete, and UserError for a configuration with
        unknown or missing keys or impossible values, weights that do not fit it exactly, or a file that cannot be read.
        """
        folder = _folder_of(source, cls)
        for file in ("config.json", "model.safetensors"):
            if not (folder / file).is_file():
                raise MissingFile(f"no saved {_noun(cls)} in {folder}: {file} is not there{_inside(folder)}")
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "model.safetensors")
        except (OSError, ValueError, RecursionError, SafetensorError) as error:
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
            source = self.save_pretrained(temporary) if folder is None else path_of(folder)
            try:
                address = HfApi(token=token).create_repo(repo.removeprefix(HUB), private=private, exist_ok=True)
                HfApi(token=token).upload_folder(repo_id=address.repo_id, folder_path=source)
            except Exception as error:  # what its HTTP library raises differs from release to release
                raise UserError(f"cannot upload to {repo} on the Hugging Face Hub: {_said(error)}") from error
        return str(address)


Network = TypeVar("Network", bound=Pretrained)


def _inside(folder: Path) -> str:
    """What may be meant by a folder that is no network's: one in it is, or one on the Hub."""
    found = [f for f in ("generator", "classifier") if (folder / f / "config.json").is_file()]
    return f"; did you mean {folder / found[0]}?" if found else " (one on the Hugging Face Hub is named owner/name)"


def _noun(cls: type) -> str:
    return "network" if cls is Pretrained else _bare_name(cls)


def _folder_of(source: str | os.PathLike, cls: type) -> Path:
    """Where the files are, downloaded if need be; a path that is there is what it says, whatever it looks like."""
    if (name := str(source)).startswith(HUB):
        return _download(name)
    folder = path_of(source)
    if not isinstance(source, str) or folder.exists() or not _ON_HUB.fullmatch(name):
        return folder
    try:
        return _download(name)
    except MissingFile as error:
        raise MissingFile(f"no saved {_noun(cls)} in {name}: there is no such folder, and {error}") from error


def _download(source: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    name, files = source.removeprefix(HUB), ["config.json", "model.safetensors"]
    try:
        # Asked first, since a download has no patience to set: it may wait for minutes for a network that says nothing.
        HfApi().model_info(name, timeout=4)
    except Exception as error:  # what its HTTP library raises differs from release to release
        with suppress(Exception):  # it may have been downloaded before
            return Path(snapshot_download(name, allow_patterns=files, local_files_only=True))
        raise MissingFile(f"cannot get {source} from the Hugging Face Hub: {_said(error)}") from error
    try:
        return Path(snapshot_download(name, allow_patterns=files))
    except Exception as error:
        raise MissingFile(f"cannot get {source} from the Hugging Face Hub: {_said(error)}") from error


def _said(error: Exception) -> str:
    """The first of what an error says, in one line: the Hub's say what happened, then give lines of advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__


def _full_name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _saved_name(cls: type) -> str:
    """What config.json calls a class: by its bare name if an installed package provides it, else with its module, so
    that a LeNet of yours is not taken for ours."""
    return _bare_name(cls) if _is_provided(cls) else _full_name(cls)


def _bare_name(cls: type) -> str:
    return getattr(cls, "_saved_as", None) or cls.__name__


def _is_provided(cls: type) -> bool:
    return any(f"{cls.__module__}.".startswith(f"{module}.") for module in _providing_modules())


@cache
def _providing_modules() -> list[str]:  # finding them reads a file of each package that is installed
    return [provider.module for provider in entry_points(group=PROVIDERS)]


def _class_named(name: Any, cls: type[Pretrained], file: Path) -> type[Pretrained]:
    """The class that config.json calls by this name, when from_pretrained is called on `cls`."""
    if not isinstance(name, str):
        raise UserError(f"{file} names no known class: it says {name!r}")
    if name == cls._saved_as:  # the caller says which of that name is meant
        return cls
    for provider in entry_points(group=PROVIDERS):
        provider.load()  # importing it makes its classes known
    known = Pretrained._classes
    if ":" in name:
        if name == f"__main__:{cls.__qualname__}" and name not in known:
            return cls  # saved by a script, of which another knows only what it was called
        if name not in known:
            raise UserError(
                f"{file} names no known class: it says {name!r}, which must be imported before it is loaded"
            )
        return known[name]
    found = [known_class for known_class in known.values() if known_class._saved_as == name]
    found = [known_class for known_class in found if _is_provided(known_class)] or found  # else saved by older versions
    if not found:
        names = ", ".join(_saved_name(known_class) for known_class in known.values() if known_class._saved_as)
        raise UserError(f"{file} names no known class: it says {name!r}, known are {names}")
    if len(found) > 1:
        names = " and ".join(map(_full_name, found))
        raise UserError(f"{file} may mean {names}: it says {name!r}; call from_pretrained on the one that you mean")
    return found[0]


def _construct(cls: type[Network], config: Any, file: Path) -> Network:
    name = config.pop("class", None) if isinstance(config, dict) else None
    saved_class = _class_named(name, cls, file)
    if not issubclass(saved_class, cls):
        raise UserError(f"{file} holds a {_saved_name(saved_class)}, not a {_saved_name(cls)}")
    parameters = inspect.signature(saved_class.__init__).parameters
    expected = {name for name in parameters if name != "self"}
    optional = {name for name in expected if parameters[name].default is None}  # not said, as by older versions
    if unknown := sorted(set(config) - expected):
        raise UserError(f"{file} has unknown keys: {', '.join(unknown)} (known are {', '.join(sorted(expected))})")
    if missing := sorted(expected - optional - set(config)):
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
        if not tensor.isfinite().all():
            raise UserError(f"{file}: {name} holds NaN or infinity: what saved it had run away")
