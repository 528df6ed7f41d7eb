"""The processes that train together: their devices, threads and precision, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor

from fooling.errors import UserError


def make_accelerator(mixed_precision: str) -> Accelerator:
    """The processes as they were launched, in the precision asked for; see RunConfig.mixed_precision."""
    if mixed_precision == "auto":
        mixed_precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
        if mixed_precision == "no" and computes_in_bf16():
            mixed_precision = "bf16"
    if mixed_precision not in ("no", "bf16"):
        raise UserError(f"mixed precision {mixed_precision} is not supported: expected no or bf16")
    # A first process may decode a million images while the others wait.
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=6))
    accelerator = Accelerator(mixed_precision=mixed_precision, kwargs_handlers=[patience])
    if accelerator.distributed_type in ("DEEPSPEED", "FSDP", "MEGATRON_LM", "XLA"):
        raise UserError(f"{accelerator.distributed_type} is not supported: launch with --multi_gpu or on one process")
    return accelerator


def computes_in_bf16() -> bool:
    """Whether this machine's GPU, or its processor where there is none, has arithmetic for bfloat16."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def threads_per_process() -> int:
    """OMP_NUM_THREADS if a person set it; launchers set it to 1 unasked, which would leave cores idle."""
    launched = "TORCHELASTIC_RUN_ID" in os.environ or "ACCELERATE_MIXED_PRECISION" in os.environ
    if "OMP_NUM_THREADS" in os.environ and not (launched and os.environ["OMP_NUM_THREADS"] == "1"):
        return torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def average_gradients(parameters: Sequence[Tensor], accelerator: Accelerator) -> Tensor:
    """Give every process the mean of all processes' gradients, and return its norm: a scalar, on the device.

    One reduction of one flat tensor, after the last backward pass of a step, in place of DistributedDataParallel: it
    leaves second derivatives, shared graphs and accumulation alone, and small networks have nothing to overlap.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if accelerator.num_processes > 1:
        flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
        torch._foreach_copy_(
            gradients,
            [f.view_as(g) for f, g in zip(flat.split([g.numel() for g in gradients]), gradients, strict=True)],
        )
    return torch.nn.utils.get_total_norm(gradients)
