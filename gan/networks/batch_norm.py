"""Batch normalisation over the batch of all processes, so that a step is the step on the whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import batch_norm

_PIXELS = (0, 2, 3)  # what a channel's statistics are taken over, besides the processes
_PER_CHANNEL = (slice(None), None, None)  # (c,) beside (n, c, h, w)


class WholeBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d (Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1) over the batches of all processes together.

    On one process, and in evaluation mode on any number, it is nn.BatchNorm2d to the bit; in training mode on several,
    each has to call it, with a batch of the same shape. Weights and running statistics keep their names; the latter
    are the same on every process.

    torch's SyncBatchNorm refuses tensors on the CPU.
    """

    num_batches_tracked: Tensor
    running_mean: Tensor
    running_var: Tensor
    momentum: float

    def __init__(self, num_features: int):
        super().__init__(num_features)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(input)
        self._check_input_dim(input)
        output, mean, variance = _NormalizeWhole.apply(input, self.weight, self.bias, self.eps)
        count = input.numel() // input.shape[1] * dist.get_world_size()
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return output


class _NormalizeWhole(torch.autograd.Function):
    """The normalised share of this process, and the mean and (biased) variance of the whole batch, without gradient.

    The gradient of a share is that of the sum of all processes' losses, which `average_gradients` makes the gradient of
    their mean; those of weight and bias are this process's part of the sum. A second derivative is refused.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        y = x.to(weight.dtype)
        mean = y.mean(_PIXELS)
        local = torch.stack([mean, (y - mean[_PER_CHANNEL]).square().mean(_PIXELS)])  # var_mean takes ten times as long
        # Gathered rather than reduced: every process then adds up the same numbers in the same order.
        shares = [torch.empty_like(local) for _ in range(dist.get_world_size())]
        dist.all_gather(shares, local)
        means, variances = torch.stack(shares, 1)
        # Moments of shares of equal size, put together without squares of means (Chan et al. 1979, eq. 2.1b).
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps))
        ctx.mark_non_differentiable(mean, variance)
        return batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, inverse_deviation = ctx.saved_tensors
        grad = grad.to(weight.dtype)
        normal = (x.to(weight.dtype) - mean[_PER_CHANNEL]) * inverse_deviation[_PER_CHANNEL]
        local = torch.stack([grad.sum(_PIXELS), (grad * normal).sum(_PIXELS)])
        whole = local.clone()
        dist.all_reduce(whole)
        # The paper's chain rule, before section 3.1: what moves an image moves the mean and the deviation of all.
        of_mean, of_deviation = whole / (x.numel() // x.shape[1] * dist.get_world_size())
        centred = grad - of_mean[_PER_CHANNEL] - normal * of_deviation[_PER_CHANNEL]
        return (centred * (weight * inverse_deviation)[_PER_CHANNEL]).to(x.dtype), local[1], local[0], None
