"""The processes that train together: their devices and precision, and what they tell each other.

However they were launched (accelerate launch, torchrun, or one by itself), accelerate finds out, and starts them
talking. They talk until the interpreter ends, so that one run can follow another.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar, cast

import torch
from accelerate import PartialState
from torch import Tensor, distributed

from fooling.errors import UserError

T = TypeVar("T")

_UNSUPPORTED = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
}

_DTYPES = {"no": torch.bfloat16, "bf16": torch.bfloat16, "fp16": torch.float16}  # of the first, autocast is off


class Processes:
    """All processes of this launch, as one of them sees them.

    count: how many. index: which this is. device: where it computes.
    is_main: whether it is the first of all; is_first_here: the first on its machine.
    """

    def __init__(self) -> None:
        for variable, name in _UNSUPPORTED.items():
            if _is_set(variable):
                raise UserError(f"{name} is not supported: launch with --multi_gpu or on one process")
        ours = not distributed.is_initialized()
        state = PartialState(cpu=_is_set("ACCELERATE_USE_CPU"), timeout=timedelta(minutes=10))
        if ours and distributed.is_initialized():
            atexit.register(_part)
        if state.num_processes == 1 < int(os.environ.get("WORLD_SIZE") or 1):
            raise UserError("processes on CPUs find each other with ACCELERATE_USE_CPU=true in the environment: set it")
        self.count, self.index, self.device = state.num_processes, state.process_index, state.device
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # which each thread has of its own
        self.is_main, self.is_first_here = state.is_main_process, state.is_local_main_process

    def share(self, count: int) -> slice:
        """This process's rows of `count`, in which the processes' parts, of one size, follow each other by rank.

        Raises UserError where they cannot be of one size.
        """
        each, rest = divmod(count, self.count)
        if rest or not each:
            raise UserError(f"batch_size {count} cannot be shared evenly by {self.count} processes")
        return slice(self.index * each, (self.index + 1) * each)

    def rows(self, count: int) -> slice:
        """This process's rows of any `count`, as evenly as it goes; perhaps none."""
        return slice(self.index * count // self.count, (self.index + 1) * count // self.count)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.count == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total / self.count

    def most(self, number: int) -> int:
        """The largest of all processes' numbers."""
        if self.count == 1:
            return number
        largest = torch.tensor(number, device=self.device)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def gather(self, rows: Tensor, *, even: bool = False) -> Tensor:
        """The rows of all processes by rank, where these rows are.

        even: all have as many, so that nobody need ask.
        """
        if self.count == 1:
            return rows
        lengths = [len(rows)] * self.count if even else self.tell(len(rows))
        padded = rows.new_zeros(max(lengths), *rows.shape[1:]).to(self.device)
        padded[: len(rows)] = rows.to(self.device)
        parts = [torch.empty_like(padded) for _ in lengths]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)]).to(rows.device)

    def tell(self, value: T) -> list[T]:
        """What every process says, by rank; any small thing that can be pickled."""
        return [value] if self.count == 1 else _all_gather_object(value, self.count)

    def hear_main(self, value: T) -> T:
        """What the main process says."""
        heard = [value]
        if self.count > 1:
            distributed.broadcast_object_list(heard, src=0)
        return heard[0]

    def first_here(self, function: Callable[[], T]) -> T:
        """What `function` gives, called on one process of each machine before the others: for what writes a cache.

        The others wait for hours where need be. A UserError of the first is everybody's.
        """
        if self.count == 1:
            return function()
        group = _patient_group()  # before anybody has a reason to wait
        result, error = caught(function) if self.is_first_here else (None, None)
        raise_any(_all_gather_object(error, self.count, group))
        return cast(T, result) if self.is_first_here else function()  # there was no error, so there is a result

    def wait(self) -> None:
        """Until all are here, the main one too, which may be handing what it made to a slow network."""
        if self.count > 1:
            distributed.barrier(group=_patient_group())


@cache
def _patient_group() -> distributed.ProcessGroup:
    """For those who wait while another decodes a million images: other collectives give up after minutes."""
    return cast(distributed.ProcessGroup, distributed.new_group(backend="gloo", timeout=timedelta(hours=6)))


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


def caught(function: Callable[[], T]) -> tuple[T | None, UserError | None]:
    """What a function gives, and the UserError that it raised instead: for all processes to hear of."""
    try:
        return function(), None
    except UserError as error:
        return None, error


def raise_any(errors: list[UserError | None]) -> None:
    for error in errors:
        if error is not None:
            raise error


def _all_gather_object(value: Any, count: int, group: distributed.ProcessGroup | None = None) -> list[Any]:
    values = [None] * count
    distributed.all_gather_object(values, value, group=group)
    return values


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "false").lower() in ("1", "true", "yes", "on", "y", "t")


def _part() -> None:
    _patient_group.cache_clear()
    if distributed.is_initialized():
        distributed.destroy_process_group()
