"""Two processes with half of a batch each, against torch's own BatchNorm2d on the whole batch."""

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import nn

from gan.networks.batch_norm import WholeBatchNorm2d

PROCESSES, STEPS = 2, 3


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose halves have little in common, far from zero for their spread, and what their outputs are worth."""
    torch.manual_seed(step)
    images = torch.randn(8, 3, 5, 4) * torch.tensor([1.0, 0.1, 10])[:, None, None]
    images[4:] = images[4:] * 3 + 7
    return images + torch.tensor([0.0, 20, -50])[:, None, None], torch.randn(8, 3, 5, 4)


def trained(norm: nn.BatchNorm2d, rows: slice, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """What some steps on these rows of the batches give, and leave in the layer."""
    nn.init.uniform_(norm.weight, 0.5, 2, generator=torch.Generator().manual_seed(9))
    results = {}
    for step in range(STEPS):
        images, worth = (tensor[rows] for tensor in batch(step))
        images = images.to(dtype, memory_format=torch.channels_last).requires_grad_()
        outputs = norm(images)
        assert outputs.dtype == dtype and outputs.is_contiguous(memory_format=torch.channels_last)
        (outputs.float().square() * worth).sum().backward()
        results |= {f"output{step}": outputs.detach(), f"gradient{step}": images.grad}
    return {**results, **norm.state_dict(), **{f"{n}.grad": p.grad for n, p in norm.named_parameters()}}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    half = slice(rank * 4, rank * 4 + 4)
    norm = WholeBatchNorm2d(3)
    results = {"float32": trained(norm, half), "bfloat16": trained(WholeBatchNorm2d(3), half, torch.bfloat16)}
    if rank == 0:  # while no other process calls it
        images = batch(0)[0]
        results["evaluated"] = {"output": norm.eval()(images), "expected": nn.BatchNorm2d.forward(norm, images)}
    torch.save(results, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_halves_are_normalised_as_the_whole(tmp_path):
    multiprocessing.spawn(work, (str(tmp_path),), nprocs=PROCESSES)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(PROCESSES))
    for name, dtype, tolerance in (("float32", torch.float32, 1e-5), ("bfloat16", torch.bfloat16, 2e-2)):
        # The batch that both see is the one that dtype has rounded; only its rounding, once, is in the wanted.
        want = trained(nn.BatchNorm2d(3), slice(None), dtype)
        assert first[name].keys() == second[name].keys() == want.keys()
        for key, tensor in want.items():
            one, two = first[name][key], second[name][key]
            if key.startswith(("output", "gradient")):
                got = torch.cat([one, two])
            elif key.endswith("grad"):
                got = one + two  # each has its part: the average over processes comes later, for all weights at once
            else:
                got = one
                assert torch.equal(one, two), key
            largest = tensor.abs().max().item()
            torch.testing.assert_close(
                got, tensor, rtol=tolerance, atol=tolerance * largest, msg=lambda m, k=key: k + m
            )
    assert torch.equal(first["evaluated"]["output"], first["evaluated"]["expected"])


def test_on_one_process_it_is_torchs_to_the_bit():
    got, want = trained(WholeBatchNorm2d(3), slice(None)), trained(nn.BatchNorm2d(3), slice(None))
    assert got.keys() == want.keys()
    assert [key for key in want if not torch.equal(got[key], want[key])] == []
