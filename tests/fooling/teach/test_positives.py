import torch

from fooling.teach.positives import faded, perturbed, shifted
from fooling.teach.sources import Step


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_shifts_move_each_image_by_its_own_few_pixels():
    images = torch.zeros(200, 2, 9, 9)
    images[:, :, 4, 4] = 1
    moved = shifted(images, 2, seeded())
    places = moved[:, 0].flatten(1).argmax(1)
    rows, columns = places // 9 - 4, places % 9 - 4
    assert moved.shape == images.shape and (moved.flatten(2).sum(2) == 1).all() and moved[:, 0].equal(moved[:, 1])
    assert set(rows.tolist()) == set(columns.tolist()) == {-2, -1, 0, 1, 2}
    corner = torch.zeros(50, 1, 9, 9)
    corner[:, :, 0, 0] = 1
    assert 0 < shifted(corner, 1, seeded()).sum() < 50  # what leaves does not come in at the other side


def test_every_second_image_moves_against_its_label_within_its_ball(lenet, digits):
    images, labels = digits[0][:64], digits[1][:64]
    with torch.no_grad():
        plain = lenet(images).softmax(1).gather(1, labels[:, None])[:, 0]
    moved = perturbed(images, labels, 0.3, Step(lenet, images, seeded()))
    with torch.no_grad():
        against = lenet(moved).softmax(1).gather(1, labels[:, None])[:, 0]
        speckled = (images + 0.3 * (2 * torch.rand(images.shape, generator=seeded()) - 1)).clamp(0, 1)
        by_chance = lenet(speckled).softmax(1).gather(1, labels[:, None])[:, 0]
    assert moved[::2].equal(images[::2])
    assert (moved - images).abs().max() <= 0.3 + 1e-6 and moved.min() >= 0 and moved.max() <= 1
    assert against[1::2].mean() < by_chance[1::2].mean() - 0.2 < plain[1::2].mean()
    assert all(p.grad is None for p in lenet.parameters())


def test_two_processes_perturb_together_what_one_perturbs(lenet, digits):
    images, labels = digits[0][:16], digits[1][:16]
    whole = perturbed(images, labels, 0.2, Step(lenet, images, seeded()))
    halves = []
    for half in (slice(0, 8), slice(8, 16)):
        step = Step(lenet, images, seeded(), share=lambda count, half=half: half)
        halves.append(perturbed(images, labels, 0.2, step))
    torch.testing.assert_close(torch.cat(halves), whole, atol=1e-5, rtol=0)


def test_faded_images_lie_on_the_way_to_nothing_as_far_as_it_says(lenet, digits):
    images, labels = digits[0][:64], digits[1][:64]
    grey, left = faded(images, labels, ["grey"], Step(lenet, images, seeded()))
    assert 0 <= left.min() < 0.1 and 0.9 < left.max() <= 1
    assert ((grey - 0.5) - left[:, None, None, None] * (images - 0.5)).abs().max() <= 0.0101
    with torch.no_grad():
        sure = lenet(grey).softmax(1).gather(1, labels[:, None])[:, 0]
    assert sure[left > 0.9].mean() > sure[left < 0.1].mean() + 0.5
    for radius in (0.0, 0.3):
        whole = faded(images, labels, ["grey"], Step(lenet, images, seeded()), radius=radius)
        halves = []
        for half in (slice(0, 32), slice(32, 64)):
            step = Step(lenet, images, seeded(), share=lambda count, half=half: half)
            halves.append(faded(images, labels, ["grey"], step, radius=radius))
        torch.testing.assert_close(torch.cat([rows for rows, _ in halves]), whole[0], atol=1e-5, rtol=0)
        assert torch.cat([by for _, by in halves]).equal(left) and whole[1].equal(left)


def test_faded_images_can_be_moved_to_where_the_network_is_surer_of_them(lenet, digits):
    images, labels = digits[0][:64], digits[1][:64]
    plain, left = faded(images, labels, ["grey"], Step(lenet, images, seeded()))
    moved, same = faded(images, labels, ["grey"], Step(lenet, images, seeded()), radius=0.3)
    assert same.equal(left) and (moved - plain).abs().max() <= 0.3 + 1e-6 and moved.min() >= 0 and moved.max() <= 1
    with torch.no_grad():
        before, after = (lenet(x).softmax(1).gather(1, labels[:, None])[:, 0] for x in (plain, moved))
    half = (left > 0.1) & (left < 0.5)
    assert half.sum() > 10 and after[half].mean() > before[half].mean() + 0.2
