"""How a run computes: in which numbers and, on the CPU, with how many threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import torch

from fooling.errors import UserError
from fooling.run.processes import Processes
from fooling.run.threads import Threads, cores, threads_are_given, threads_per_process, use_threads

_DTYPES = {"no": torch.bfloat16, "bf16": torch.bfloat16, "fp16": torch.float16}  # of the first, autocast is off


class Computing:
    """How the processes of one run compute, from when it is begun until `until` is closed, which puts back what that
    changes of their hosts.

    precision: in which numbers.
    """

    def __init__(self, processes: Processes, until: ExitStack, *, mixed_precision: str, threads: int | None):
        """mixed_precision, threads: as asked for; see RunConfig."""
        self.precision = Precision.of(mixed_precision, processes.device)
        self._processes, self._until = processes, until
        self._asked, self._asked_threads = mixed_precision, threads
        self._scalers: dict[str, torch.amp.GradScaler] = {}
        self._scales: Mapping[str, Any] = {}

    def begin(self) -> None:
        use_flags(self.precision, self._until)
        self._use_threads(self._asked_threads or threads_per_process())

    def go_on_as(self, before: Mapping[str, Any]) -> None:
        """Compute as this run began, see `facts`, where the settings leave that open."""
        precision, threads = before.get("mixed_precision"), before.get("threads")
        if self._asked == "auto" and precision in _DTYPES and precision != self.precision.name:
            self.precision = Precision(precision, "as this run began", self._processes.device)
            use_flags(self.precision, self._until)
        same_share = before.get("processes") == self._processes.count
        if self._asked_threads is None and same_share and isinstance(threads, int) and 0 < threads <= cores():
            self._use_threads(threads)

    def facts(self) -> dict[str, Any]:
        return {
            "mixed_precision": self.precision.name,
            "device": self._processes.device.type,
            "processes": self._processes.count,
            "threads": torch.get_num_threads(),
        }

    def scaler(self, name: str) -> torch.amp.GradScaler:
        """What scales the gradients of the network of this name, always the same."""
        if name not in self._scalers:
            self._scalers[name] = self.precision.scaler()
            if name in self._scales:
                self._scalers[name].load_state_dict(self._scales[name])
        return self._scalers[name]

    def scales(self) -> dict[str, Any]:
        """The states of all scalers, for a checkpoint; none where gradients are not scaled."""
        return {name: scaler.state_dict() for name, scaler in self._scalers.items() if scaler.is_enabled()}

    def scale_as(self, scales: Mapping[str, Any]) -> None:
        """Have the scalers, none of which has been asked for yet, begin as a checkpoint says."""
        self._scales = scales

    def watch(self, say: Callable[[str], None]) -> Threads | None:
        """Who watches whether several threads pay, where that is left open."""
        several, on_cpu = torch.get_num_threads(), self._processes.device.type == "cpu"
        if not on_cpu or several == 1 or self._asked_threads is not None or threads_are_given():
            return None
        return Threads(several, say)

    def __str__(self) -> str:
        """Such as "2 processes of 1 thread on cpu in bf16"."""
        count, threads = self._processes.count, torch.get_num_threads()
        on = f"on {self._processes.device.type}"
        if self._processes.device.type == "cpu":
            on = f"of {threads} thread{'s' * (threads > 1)} {on}"
        return f"{count} process{'es' * (count > 1)} {on} in {self.precision}"

    def _use_threads(self, count: int) -> None:
        if self._processes.device.type == "cpu":
            use_threads(count, self._until)


class Precision:
    """In which numbers networks compute: `name` is no (float32), bf16 or fp16, `reason` is why.

    TF32 goes with bf16, and float32 is all 32 bits: see use_flags. fp16 is for GPUs that have no arithmetic for bf16,
    such as a T4; its gradients are scaled (see fooling.run.optimizer).
    """

    def __init__(self, name: str, reason: str, device: torch.device):
        if name not in _DTYPES:
            raise UserError(f"mixed precision {name} is not supported: expected no, bf16 or fp16")
        self.name, self.reason, self.device = name, reason, device

    @classmethod
    def of(cls, asked: str, device: torch.device) -> Precision:
        """What `asked` (auto, no, bf16 or fp16) comes to on a device; see RunConfig.mixed_precision."""
        if asked != "auto":
            return cls(asked, "as asked for", device)
        if (told := os.environ.get("ACCELERATE_MIXED_PRECISION", "no")) != "no":
            return cls(told, "as accelerate was told", device)
        what = "GPU" if device.type == "cuda" else "processor"
        if computes_in_bf16(device):
            return cls("bf16", f"which this {what} has arithmetic for", device)
        if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0):  # tensor cores, for fp16 alone
            return cls("fp16", "for this GPU has no arithmetic for bf16", device)
        return cls("no", f"for this {what} has no arithmetic for bf16", device)

    @property
    def is_bf16(self) -> bool:
        return self.name == "bf16"

    def autocast(self) -> AbstractContextManager:
        """Inside it, networks compute in this precision."""
        return torch.autocast(self.device.type, _DTYPES[self.name], enabled=self.name != "no")

    def scaler(self) -> torch.amp.GradScaler:
        """What scales the gradients of one network, so that none is too small for float16; nothing in other numbers."""
        return torch.amp.GradScaler(self.device.type, enabled=self.name == "fp16")

    def __str__(self) -> str:
        return "float32" if self.name == "no" else self.name


def use_flags(precision: Precision, until: ExitStack) -> None:
    """Have a GPU compute reproducibly and in this precision, until `until` is closed."""
    _set(torch.backends.cudnn, "deterministic", True, until)  # else it adds up gradients in any order: no exact resume
    # TF32 keeps 10 bits of what goes into a product: more than bf16 does, less than those who ask for float32 want.
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    try:
        _ = cudnn.allow_tf32, matmul.allow_tf32
    except RuntimeError:  # the host uses torch's newer settings, beside which the older ones cannot be read
        for place in (cudnn.conv, cudnn.rnn, matmul):
            _set(place, "fp32_precision", "tf32" if precision.name != "no" else "ieee", until)
    else:
        for place in (cudnn, matmul):
            _set(place, "allow_tf32", precision.name != "no", until)


def _set(place: Any, name: str, value: Any, until: ExitStack) -> None:
    until.callback(setattr, place, name, getattr(place, name))
    setattr(place, name, value)


def computes_in_bf16(device: torch.device | str = "cpu") -> bool:
    """Whether a device has arithmetic for bfloat16, rather than imitates it."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return kind == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
