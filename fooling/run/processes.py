"""The processes that train together: their devices, threads and precision, and what they tell each other."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

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
