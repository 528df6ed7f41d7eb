"""Two processes with half of a batch each, against torch's own BatchNorm2d on the whole batch."""

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import nn

from gan.networks import DCGANGenerator, SNGANGenerator
from gan.networks.batch_norm import WholeBatchNorm2d

PROCESSES, STEPS = 2, 3
CONDITIONAL = (DCGANGenerator, SNGANGenerator)


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


def drawn(cls: type, rows: slice) -> dict[str, torch.Tensor]:
    """What a generator with class-conditional normalisation draws of these rows of a batch, and learns of it."""
    torch.manual_seed(3)
    generator = cls(width=2, latent_dim=3, num_classes=3, conditioning="normalization")
    for layer in generator.modules():
        if isinstance(layer, nn.Embedding):  # as after some training: they begin with 0
            nn.init.normal_(layer.weight)
    latents, worth = torch.randn(8, 3), torch.randn(8, 1, 28, 28)
    images = generator(latents[rows], torch.tensor([0, 0, 1, 0, 2, 1, 2, 2])[rows])
    (images * worth[rows]).sum().backward()
    gradients = {f"{n}.grad": p.grad for n, p in generator.named_parameters()}
    return {"output": images.detach(), **gradients, **dict(generator.named_buffers())}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    half = slice(rank * 4, rank * 4 + 4)
    norm = WholeBatchNorm2d(3)
    results = {"float32": trained(norm, half), "bfloat16": trained(WholeBatchNorm2d(3), half, torch.bfloat16)}
    results["conditional"] = {cls.__name__: drawn(cls, half) for cls in CONDITIONAL}
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
        check(first[name], second[name], want, tolerance)
    for cls in CONDITIONAL:
        name = cls.__name__
        check(first["conditional"][name], second["conditional"][name], drawn(cls, slice(None)), 1e-5)
    assert torch.equal(first["evaluated"]["output"], first["evaluated"]["expected"])


def check(first: dict, second: dict, want: dict, tolerance: float) -> None:
    """Whether what two processes have of their halves is what one has of the whole."""
    assert first.keys() == second.keys() == want.keys()
    for key, tensor in want.items():
        one, two = first[key], second[key]
        if key.startswith(("output", "gradient")):
            got = torch.cat([one, two])
        elif key.endswith("grad"):
            got = one + two  # each has its part: the average over processes comes later, for all weights at once
        else:
            got = one
            assert torch.equal(one, two), key
        largest = tensor.abs().max().item()
        torch.testing.assert_close(got, tensor, rtol=tolerance, atol=tolerance * largest, msg=lambda m, k=key: k + m)


def test_on_one_process_it_is_torchs_to_the_bit():
    got, want = trained(WholeBatchNorm2d(3), slice(None)), trained(nn.BatchNorm2d(3), slice(None))
    assert got.keys() == want.keys()
    assert [key for key in want if not torch.equal(got[key], want[key])] == []
