"""The processes that train together: their devices, and what they tell each other.

However they were launched (accelerate launch, torchrun, or one by itself), accelerate finds out, and starts them
talking. They talk until the interpreter ends, so that one run can follow another.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
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
        return values if self.count == 1 else self.mean_(values.clone())

    def mean_(self, values: Tensor) -> Tensor:
        """The same, in their place."""
        if self.count > 1:
            distributed.all_reduce(values)
            values /= self.count
        return values

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
