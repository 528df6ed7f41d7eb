import pytest
import torch

from fooling.classifiers.networks import LeNet
from fooling.errors import UserError
from fooling.images import Images
from fooling.teach.negatives import Mix
from fooling.teach.sources import Generated, Noise, Others, Persistent, Pool, Step, Worst


@pytest.fixture
def step(lenet, digits):
    return Step(lenet, digits[0][:32], torch.Generator().manual_seed(0))


def of_two(step, rank):
    """The same step as one of two processes sees it."""
    return Step(
        step.classifier, step.images, torch.Generator().manual_seed(0),
        share=lambda n: slice(rank * n // 2, (rank + 1) * n // 2), gather=lambda rows: torch.cat([rows, rows]),
    )  # fmt: skip


def confidence(classifier, images):
    with torch.no_grad():
        return classifier(images).softmax(1).amax(1).mean().item()


NOISE = Noise(["uniform", "smooth", "permuted"])
SOURCES = {
    "noise": lambda: NOISE,
    "worst": lambda: Worst(NOISE, steps=3),
    "worst, as ACET": lambda: Worst(NOISE, steps=3, varied=False, ball=0.3),
    "persistent": lambda: Worst(Persistent(NOISE, size=50, reseed=0.5), steps=2),
    "others": lambda: Others(
        Images(torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 1, 28, 28), None)
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_two_processes_draw_together_what_one_draws(name, step):
    together = SOURCES[name]().draw(8, step)
    apart = torch.cat([SOURCES[name]().draw(8, of_two(step, rank)) for rank in (0, 1)])
    assert together.shape == (8, 1, 28, 28)
    assert together.min() >= 0 and together.max() <= 1
    torch.testing.assert_close(apart, together, atol=1e-5, rtol=0)


@pytest.mark.parametrize("varied", [True, False])
def test_climbs_make_the_network_sure_of_rubbish_and_leave_it_as_it_was(varied, step, lenet):
    before = {name: value.clone() for name, value in lenet.state_dict().items()}
    lenet.train()
    starts, ends = NOISE.draw(24, step), Worst(NOISE, steps=10, varied=varied).draw(24, step)
    assert lenet.training and all(p.grad is None and p.requires_grad for p in lenet.parameters())
    assert all(value.equal(before[name]) for name, value in lenet.eval().state_dict().items())
    assert confidence(lenet, ends) > confidence(lenet, starts) + 0.2


def test_climbs_stay_in_their_ball(step):
    black = Noise(["black"])
    ends = Worst(black, steps=10, ball=0.1).draw(16, step)
    assert ends.max() <= 0.12 + 1e-6
    assert ends.max() > 0.1


def test_climbs_never_aim_at_the_reject_class(digits):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = LeNet(num_classes=2, reject_class=True).eval()
    step = Step(classifier, digits[0][:8], torch.Generator().manual_seed(0))
    starts = NOISE.draw(64, Step(classifier, digits[0][:8], torch.Generator().manual_seed(0)))
    ends = Worst(NOISE, steps=10).draw(64, step)
    with torch.no_grad():
        lost = classifier(ends).softmax(1)[:, 2] - classifier(starts).softmax(1)[:, 2]
    assert (lost < 0).float().mean() > 0.9


def test_persistent_climbs_go_on_where_they_ended(lenet, digits):
    persistent = Persistent(Noise(["black"]), size=1, reseed=0.0)
    worst, images = Worst(persistent, steps=2), digits[0][:8]
    first = worst.draw(1, Step(lenet, images, torch.Generator().manual_seed(0)))
    again = persistent.draw(1, Step(lenet, images, torch.Generator().manual_seed(1)))
    assert again.equal(first)
    restored = Worst(Persistent(Noise(["black"]), size=1, reseed=0.0), steps=2)
    restored.load_state_dict(worst.state_dict())
    assert restored.starts.draw(1, Step(lenet, images, torch.Generator().manual_seed(2))).equal(first)
    fresh = Persistent(Noise(["black"]), size=1, reseed=1.0)
    fresh.load_state_dict(persistent.state_dict())
    assert not fresh.draw(1, Step(lenet, images, torch.Generator().manual_seed(3))).equal(first)


def test_no_two_persistent_climbs_share_a_place(lenet, digits):
    """Two ends written into one place race each other as soon as there are several threads."""
    persistent = Persistent(Noise(["black"]), size=40)
    step = Step(lenet, digits[0][:2], torch.Generator().manual_seed(0))
    drawn = []
    for k in range(200):
        starts = persistent.draw(30, step)
        places = persistent._drawn
        assert len(places.unique()) == 30
        before = persistent.images.clone()
        ends = starts * 0 + torch.arange(30.0).view(-1, 1, 1, 1) / 30 + k / 10_000
        persistent.keep(ends, step)
        assert persistent.images[places].equal(ends)
        others = torch.ones(40, dtype=torch.bool).index_fill(0, places, False)
        torch.testing.assert_close(persistent.images[others], before[others], rtol=0, atol=0, equal_nan=True)
        drawn.append(places)
    counts = torch.cat(drawn).bincount(minlength=40)  # 150 expected of each, with a standard deviation of 6
    assert counts.min() > 120 and counts.max() < 180


def test_persistent_climbs_end_the_same_on_any_number_of_threads(lenet, digits):
    def pool(threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            persistent = Persistent(Noise(["uniform"]), size=64)
            step = Step(lenet, digits[0][:2], torch.Generator().manual_seed(0))
            for _ in range(40):
                persistent.keep(1 - persistent.draw(64, step) / 2, step)
            return persistent.images
        finally:
            torch.set_num_threads(before)

    first = pool(1)
    assert first.isfinite().all() and all(pool(4).equal(first) for _ in range(5))


def test_more_persistent_climbs_than_places_are_refused(step):
    with pytest.raises(UserError, match="cannot draw 9 starts from a persistent pool of 8"):
        Persistent(NOISE, size=8).draw(9, step)
    assert len(Persistent(NOISE, size=8).draw(8, step)) == 8


def test_the_pool_gives_what_was_added_and_nothing_before(step):
    pool, mix = Pool(), None
    mix = Mix((pool, 6), (NOISE, 2))
    assert len(mix.draw(step)) == 2
    pool.add(torch.full((3, 1, 28, 28), 0.25))
    pool.add(torch.full((1, 1, 28, 28), 0.75))
    assert len(pool) == 4
    assert set(mix.draw(step)[:6].unique().tolist()) <= {0.25, 0.75}
    restored = Pool()
    restored.load_state_dict(pool.state_dict())
    assert restored.images.equal(pool.images)


def test_a_generator_is_drawn_from(step):
    generator = torch.nn.Sequential(torch.nn.Linear(3, 784), torch.nn.Sigmoid(), torch.nn.Unflatten(1, (1, 28, 28)))
    generator.latent_dim = 3
    assert Generated(generator).draw(4, step).shape == (4, 1, 28, 28)
    with pytest.raises(UserError, match="does not tell its latent_dim"):
        Generated(torch.nn.Linear(3, 784))


def test_images_of_another_shape_are_refused(step):
    small = torch.nn.Sequential(torch.nn.Linear(3, 784), torch.nn.Unflatten(1, (4, 14, 14)))
    for source in (Others(Images(torch.zeros(2, 4, 14, 14, dtype=torch.uint8), None)), Generated(small, latent_dim=3)):
        with pytest.raises(UserError, match=r"negatives are \(4, 14, 14\) images, the data's \(1, 28, 28\)"):
            source.draw(2, step)
