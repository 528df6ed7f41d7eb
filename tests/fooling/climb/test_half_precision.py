"""Images of half precision climb as others do: their gradients are finite even where the sum of them is not."""

import pytest
import torch
from torch import nn

from fooling.climb.ascent import ascend
from fooling.climb.objectives import Logit
from fooling.climb.parametrizations import Pixels
from fooling.errors import UserError


class Linear(nn.Module):
    """Logits that rise by `slope` with every pixel; where the first of them is white, the slope there is NaN."""

    def __init__(self, slope: float):
        super().__init__()
        weight = torch.stack([torch.full((64,), slope), torch.zeros(64)])
        self.weight = nn.Parameter(weight.half())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.flatten(1)
        trap = (1 - pixels[:, :1]).sqrt() * 0  # d sqrt(x) / dx * 0 is inf * 0 at x = 0
        return pixels @ self.weight.T + trap


def test_large_gradients_are_climbed():
    starts = torch.full((3, 1, 8, 8), 0.25, dtype=torch.float16)
    result = ascend(Linear(2000.0), Logit(0), Pixels(starts), steps=2, step="sign", step_size=0.0625)
    assert result.images.dtype == torch.float16
    assert (result.images == 0.375).all()  # 192 slopes of 2,000 are beyond float16, which ends at 65,504
    assert (result.confidences == 1).all()


def test_a_gradient_that_is_not_finite_is_refused_with_its_image():
    starts = torch.full((3, 1, 8, 8), 0.5, dtype=torch.float16)
    starts[1, 0, 0, 0] = 1
    with pytest.raises(UserError, match=r"the gradient of Logit\(0\) is not finite at image 1"):
        ascend(Linear(1.0), Logit(0), Pixels(starts), steps=2)
