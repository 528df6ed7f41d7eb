"""Batch normalisation over the batch of all processes, so that a step is the step on the whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import batch_norm


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
        # Only its moments are used, which are in the precision of the weights, whatever that of the images: those of
        # batch_norm_update_stats, which does not normalise too, are rounded to bfloat16 with them.
        _, mean, inverse_deviation = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        local = torch.stack([mean, inverse_deviation.square().reciprocal() - eps])
        # Gathered rather than reduced: every process then adds up the same numbers in the same order.
        shares = [torch.empty_like(local) for _ in range(dist.get_world_size())]
        dist.all_gather(shares, local)
        means, variances = torch.stack(shares, 1)
        # Moments of shares of equal size, put together without squares of means (Chan et al. 1979, eq. 2.1b).
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, variance = ctx.saved_tensors
        # As if mean and variance were constants: with them in evaluation mode.
        of_image, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        whole = torch.stack([of_bias, of_weight])
        dist.all_reduce(whole)
        # The paper's chain rule, before section 3.1: what moves an image moves the mean and the deviation of all. That
        # part of the gradient is a multiple of the normalised image and a constant: a normalisation of its own.
        of_mean, of_deviation = -whole / (x.numel() // x.shape[1] * dist.get_world_size())
        scale = weight * torch.rsqrt(variance + ctx.eps)
        moved = batch_norm(x, mean, variance, scale * of_deviation, scale * of_mean, eps=ctx.eps)
        return of_image + moved, of_weight, of_bias, None
