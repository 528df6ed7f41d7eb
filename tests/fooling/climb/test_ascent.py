"""A climb fools the network, image by image, stops where it should, and leaves the classifier as it was."""

import copy
import math

import pytest
import torch
from torch import nn

import fooling
from fooling.classifiers.networks import LeNet
from fooling.climb.ascent import ascend
from fooling.climb.criteria import Confident, Misclassified
from fooling.climb.objectives import L2, Channel, Distance, Logit, LogProbability, Margin, Probability, TotalVariation
from fooling.climb.parametrizations import CPPN, Fourier, Latent, Pixels
from fooling.climb.step_rules import make_rule
from fooling.errors import UserError

TARGETS = torch.arange(20) % 10
STEPS = ("plain", "sign", "std", "mean-abs", "l2", "momentum", "adam")


@pytest.fixture(scope="module")
def small():
    """An untrained network in double precision, where rounding decides nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Dropout(), nn.Flatten(), nn.Linear(4 * 36, 5)
        )
        network[5].weight.data *= 8  # so that some images get there sooner than others
    return network.double()


def noise(n, side=8):
    return Pixels(Pixels.noise(n, shape=(1, side, side), seed=3).params.double())


# ---- what it reaches


def test_every_image_reaches_every_class(lenet):
    targets = torch.arange(1000) % 10
    start = Pixels.noise(1000, seed=0)
    result = ascend(lenet, LogProbability(targets), start, until=0.99)
    assert result.success.all() and (result.confidences >= 0.99).all()
    with torch.no_grad():  # what it says of its images is what the classifier says of them
        said = lenet(result.images).softmax(1)
    torch.testing.assert_close(said, result.probabilities, atol=1e-4, rtol=0)
    torch.testing.assert_close(said[range(1000), targets], result.confidences, atol=1e-4, rtol=0)
    assert result.images.min() >= 0 and result.images.max() <= 1
    assert result.steps.float().mean() < 8


def test_the_example_of_the_package(lenet, monkeypatch):
    monkeypatch.setattr(fooling, "trained_classifier", lambda: lenet, raising=False)
    lines = [line.strip() for line in fooling.__doc__.splitlines() if line.startswith("    ")]
    names = {}
    exec("\n".join(lines), names)
    result = names["result"]
    assert result.images.shape == (1000, 1, 28, 28) and result.confidences.shape == result.steps.shape == (1000,)
    assert result.success.float().mean() > 0.99 and result.trace is None


def test_noise_becomes_a_three_in_five_normalised_steps(lenet):
    """The article's trick: from about 2 % to above 99.9 % in five steps of one standard deviation."""
    result = ascend(lenet, Logit(3), Pixels.noise(1000, seed=1), steps=5, step="std", step_size=1.0, trace=(0, 5))
    before, after = result.trace.probabilities[:, :, 3]
    unlikely = before < 0.05
    assert unlikely.sum() >= 10 and (after[unlikely] > 0.999).all()


def test_a_seven_becomes_a_three_in_a_few_small_steps(lenet, digits):
    images, labels = digits
    sevens = Pixels(images[labels == 7][:50])
    result = ascend(lenet, LogProbability(3), sevens, until=Misclassified(7), step="std", step_size=0.02, steps=100)
    assert result.success.all()
    assert 1 <= result.steps.float().median() <= 8
    assert (result.images - sevens.params).abs().mean() < 0.05  # a person still sees a 7


@pytest.mark.parametrize(
    "make", [lambda n: Fourier.noise(n, seed=1), lambda n: CPPN.noise(n, seed=1)], ids=["fourier", "cppn"]
)
def test_other_parametrizations_fool_as_well(lenet, make):
    result = ascend(lenet, LogProbability(TARGETS[:10]), make(10), until=0.99, steps=300)
    assert result.success.float().mean() >= 0.8
    with torch.no_grad():
        torch.testing.assert_close(
            lenet(result.images).softmax(1)[range(10), range(10)], result.confidences, atol=1e-3, rtol=0
        )


def test_the_latent_of_a_generator_can_be_climbed(lenet):
    class Draws(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.norm = nn.Linear(16, 784), nn.BatchNorm1d(784)

        def forward(self, latents):
            return self.norm(self.layer(latents)).sigmoid().view(-1, 1, 28, 28)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Draws()
    statistics = generator.norm.running_mean.clone()
    result = ascend(lenet, LogProbability(3), Latent.noise(generator, 10, latent_dim=16), steps=50, trace=[0])
    assert result.params.shape == (10, 16)
    assert (result.confidences > 2 * result.trace.probabilities[0, :, 3]).all()
    assert generator.training and generator.norm.training and torch.equal(generator.norm.running_mean, statistics)
    with torch.no_grad():
        torch.testing.assert_close(generator.eval()(result.params), result.images)


def test_a_filter_is_excited(lenet):
    start = Pixels.noise(3)
    with torch.no_grad():
        before = Channel("conv2", 5)(lenet, start.params)
        result = ascend(lenet, Channel("conv2", 5), start, steps=20)
        assert (Channel("conv2", 5)(lenet, result.images) > before + 1).all()
    assert not result.success.any() and (result.steps == 20).all()


# ---- image by image


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "settings",
    [{}, {"jitter": 2, "seed": 5}, {"blur": 0.7}, {"ball": ("l2", 0.8), "decay": 0.01}, {"ball": ("linf", 0.1)}],
    ids=["bare", "jitter", "blur", "l2-ball", "linf-ball"],
)
def test_a_batch_climbs_as_each_image_would_alone(small, step, settings):
    start, targets = noise(7), torch.tensor([0, 1, 2, 3, 4, 0, 1])
    settings = dict(step=step, step_size={"l2": 0.5, "plain": 0.5}.get(step, 0.05), steps=6, until=0.25, **settings)

    def climb(which):
        objective = LogProbability(targets[which]) - 0.01 * Distance()
        return ascend(small, objective, Pixels(start.params[which]), chunk=4, **settings)

    together = climb(slice(0, 7))
    alone = [climb(slice(i, i + 1)) for i in range(7)]
    assert len(set(together.steps.tolist())) > 1 or "ball" in settings  # some left early
    assert together.steps.tolist() == [r.steps.item() for r in alone]
    torch.testing.assert_close(together.images, torch.cat([r.images for r in alone]))
    torch.testing.assert_close(together.confidences, torch.cat([r.confidences for r in alone]))


@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
def test_the_chunk_changes_nothing(small, chunk):
    targets = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    settings = dict(until=0.4, steps=9, step="adam", step_size=0.02)
    a = ascend(small, Logit(targets), noise(7), **settings)
    b = ascend(small, Logit(targets), noise(7), chunk=chunk, **settings)
    torch.testing.assert_close(a.images, b.images)
    assert torch.equal(a.steps, b.steps) and torch.equal(a.success, b.success)


def test_those_who_have_arrived_move_no_more(lenet):
    settings = dict(step_size=0.05, steps=30)
    result = ascend(lenet, LogProbability(TARGETS), Pixels.noise(20), until=0.9, trace=range(31), **settings)
    assert result.success.all() and len(set(result.steps.tolist())) > 1
    for i, k in enumerate(result.steps.tolist()):
        after = result.trace.images[k:, i]
        assert torch.equal(after, result.images[i].expand_as(after))
        p = result.trace.probabilities[:, i, TARGETS[i]]
        assert p[k] >= 0.9 and (p[:k] < 0.9).all()


def test_a_trace_holds_the_steps_asked_for(lenet):
    start = Pixels.noise(3)
    result = ascend(lenet, Logit(3), start, steps=10, trace=(0, 4, 10, 99))
    assert result.trace.steps == [0, 4, 10]
    assert result.trace.images.shape == (3, 3, 1, 28, 28) and result.trace.probabilities.shape == (3, 3, 10)
    assert torch.equal(result.trace.images[0], start.params) and torch.equal(result.trace.images[2], result.images)
    halfway = ascend(lenet, Logit(3), start, steps=4)
    assert torch.equal(result.trace.images[1], halfway.images)


def test_the_same_call_gives_the_same_climb(lenet):
    climb = lambda seed: ascend(lenet, Logit(3), Pixels.noise(5), steps=5, jitter=2, seed=seed).images  # noqa: E731
    state = torch.get_rng_state()
    assert torch.equal(climb(1), climb(1)) and not torch.equal(climb(1), climb(2))
    assert torch.equal(state, torch.get_rng_state())


# ---- each setting does what it says


def test_one_step_of_each_rule(small):
    start = noise(3)
    frozen = copy.deepcopy(small).eval()
    images = start.params.clone().requires_grad_()
    (g,) = torch.autograd.grad(frozen(images)[:, 2].sum(), images)
    flat = g.flatten(1)
    scale = lambda values: values[:, None, None, None]  # noqa: E731
    expected = {
        "plain": g,
        "sign": g.sign(),
        "std": g / scale(flat.std(1)),
        "mean-abs": g / scale(flat.abs().mean(1)),
        "l2": g / scale(flat.norm(dim=1)),
        "momentum": g.sign(),
        "adam": g.sign(),
    }
    for step in STEPS:
        result = ascend(small, Logit(2), start, steps=1, step=step, step_size=0.01)
        wanted = (start.params + 0.01 * expected[step]).clamp(0, 1)
        torch.testing.assert_close(result.images, wanted, atol=1e-6, rtol=0)


def test_adam_is_pytorchs_adam(small):
    gradients = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0))
    rule, moved = make_rule("adam"), torch.zeros(3, 7)
    parameter = nn.Parameter(torch.zeros(3, 7))
    adam = torch.optim.Adam([parameter], lr=0.1, maximize=True)
    for gradient in gradients:
        moved = moved + 0.1 * rule(gradient)
        parameter.grad = gradient
        adam.step()
    torch.testing.assert_close(moved, parameter.detach())


def test_momentum_carries_on_against_a_single_contrary_gradient():
    rule, up = make_rule("momentum"), torch.ones(1, 4)
    rule(up)
    assert torch.equal(rule(-0.5 * up), -up)  # 0.9 - 1 < 0: each gradient counts alike, whatever its size
    rule = make_rule("momentum")
    rule(up), rule(up)
    assert torch.equal(rule(-0.5 * up), up)


def test_a_dead_gradient_moves_nothing():
    for step in STEPS:
        assert torch.equal(make_rule(step)(torch.zeros(2, 1, 3, 3)), torch.zeros(2, 1, 3, 3))


@pytest.mark.parametrize("norm, order", [("linf", math.inf), ("l2", 2)])
def test_a_ball_holds_the_images(lenet, norm, order):
    start = Pixels.noise(10)
    result = ascend(lenet, Logit(3), start, steps=20, ball=(norm, 0.3))
    distances = (result.images - start.params).flatten(1).norm(p=order, dim=1)
    assert (distances <= 0.3 + 1e-5).all() and distances.max() > 0.29


def test_decay_darkens_and_blur_smooths(lenet):
    climb = lambda **settings: ascend(lenet, Logit(3), Pixels.grey(3), steps=10, **settings).images  # noqa: E731
    roughness = lambda images: images.diff(dim=3).abs().mean()  # noqa: E731
    assert climb(decay=0.1).mean() < 0.8 * climb().mean()
    assert roughness(climb(blur=1.0)) < 0.5 * roughness(climb())


def test_jitter_shifts_what_the_network_sees_and_nothing_else(lenet):
    goal, seen = Pixels.of("mnist", 4).params, []
    hook = lenet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    result = ascend(lenet, -Distance(goal), Pixels.noise(4), jitter=3, steps=50, step="l2", step_size=0.5)
    hook.remove()
    assert ((result.images - goal).flatten(1).norm(dim=1) <= 0.5).all()
    straight, shifted = seen[3::2][:10], seen[4::2][:10]  # after the one image that was tried, a look of each kind
    assert any(not torch.equal(a, b) for a, b in zip(straight, shifted, strict=True))
    for a, b in zip(straight, shifted, strict=True):
        assert torch.equal(a.flatten(1).sort().values, b.flatten(1).sort().values)


def test_total_variation_smooths(lenet):
    climb = lambda objective: ascend(lenet, objective, Pixels.noise(3), steps=30, step="l2", step_size=1.0).images  # noqa: E731
    roughness = lambda images: images.diff(dim=3).abs().mean()  # noqa: E731
    assert roughness(climb(Logit(3) - 0.5 * TotalVariation())) < 0.7 * roughness(climb(Logit(3)))


def test_a_criterion_of_ones_own(lenet):
    result = ascend(lenet, Margin(3), Pixels.noise(10), until=lambda seen: seen.logits[:, 3] > 5)
    with torch.no_grad():
        assert result.success.all() and (lenet(result.images)[:, 3] > 5).all()


def test_a_criterion_for_each_image_follows_it(lenet):
    labels = TARGETS.clone()
    result = ascend(
        lenet,
        -LogProbability(labels),
        Pixels.of("mnist", 20),
        until=Confident((labels + 1) % 10, 0.5),
        steps=3,
        chunk=6,
    )
    again = ascend(lenet, -LogProbability(labels), Pixels.of("mnist", 20), steps=0)
    at_once = again.probabilities[range(20), (labels + 1) % 10] >= 0.5
    assert torch.equal(result.steps == 0, at_once)


def test_no_steps_only_look(lenet):
    start = Pixels.noise(3)
    result = ascend(lenet, Logit(3), start, steps=0)
    assert torch.equal(result.images, start.params)


def test_bfloat16_fools_too(lenet):
    result = ascend(lenet, LogProbability(TARGETS), Pixels.noise(20), until=0.99, autocast=torch.bfloat16)
    assert result.success.all() and result.images.dtype == torch.float32
    with torch.no_grad():
        assert (lenet(result.images).softmax(1)[range(20), TARGETS] > 0.9).all()


# ---- and leaves things as they were


def found(network):
    return (
        [(module.training, len(module._forward_hooks)) for module in network.modules()],
        [(p.requires_grad, p.data_ptr(), p.stride(), p._version) for p in network.parameters()],
        [None if p.grad is None else p.grad.clone() for p in network.parameters()],
        copy.deepcopy(network.state_dict()),
    )


def assert_untouched(before, network):
    after = found(network)
    assert before[:2] == after[:2]
    for was, now in zip(before[2], after[2], strict=True):
        assert (was is None and now is None) or torch.equal(was, now)
    for name in before[3]:
        assert torch.equal(before[3][name], after[3][name])


@pytest.mark.parametrize("ending", ["well", "nan", "interrupt"])
def test_the_classifier_is_left_as_it_was_found(small, ending):
    network = copy.deepcopy(small).train()
    network[1].eval()
    network[0].weight.requires_grad = False
    network[5].weight.grad = torch.ones_like(network[5].weight)
    before = found(network)

    def until(seen):
        if ending == "interrupt":
            raise KeyboardInterrupt
        return seen.logits[:, 0] > 1e9

    objective = Channel("0", 1) + Logit(2)
    if ending == "nan":
        objective = objective + Probability(1) * math.nan
    try:
        ascend(network, objective, noise(4), until=until, steps=3)
        assert ending == "well"
    except (KeyboardInterrupt, UserError):
        assert ending != "well"
    assert_untouched(before, network)


def test_the_start_is_left_as_it_was_given(lenet):
    start = Pixels.noise(5)
    params = start.params.clone()
    ascend(lenet, Logit(3), start, steps=5)
    assert torch.equal(start.params, params) and not start.params.requires_grad


def test_it_works_where_gradients_are_off(lenet):
    with torch.no_grad():
        assert ascend(lenet, LogProbability(3), Pixels.noise(3), until=0.99).success.all()


# ---- bad input


class NotANumber(nn.Module):
    def forward(self, images):
        flat = images.flatten(1)
        return torch.stack([flat.sum(1), (flat[:, 0] - 0.5).sqrt()], 1)  # NaN where the first pixel is dark


class TooBright(nn.Module):
    def forward(self, latents):
        return (1 + latents.relu())[:, :, None, None].expand(-1, 1, 28, 28) / 2


def dark(index):
    images = torch.full((4, 1, 2, 2), 0.75)
    images[index, 0, 0, 0] = 0.25
    return Pixels(images)


class Detached(nn.Sequential):
    def forward(self, images):
        return super().forward(images).detach()


BAD = {
    "nan": (lambda n: ascend(NotANumber(), Logit(1), dark(2)), "gradient of Logit.1. is not finite at image 2"),
    "nan, chunked": (lambda n: ascend(NotANumber(), Logit(1), dark(3), chunk=2), "not finite at image 3"),
    "no gradient": (lambda n: ascend(Detached(n), Logit(1), Pixels.noise(2)), "has no gradient: the classifier lets"),
    "unknown class": (lambda n: ascend(n, Logit(10), Pixels.noise(2)), "no class 10: the classifier has 10 classes"),
    "unknown layer": (lambda n: ascend(n, Channel("c", 1), Pixels.noise(2)), "known are conv1, relu1"),
    "unknown channel": (lambda n: ascend(n, Channel("conv1", 16), Pixels.noise(2)), "shape .16, 24, 24"),
    "wrong size": (lambda n: ascend(n, Logit(1), Pixels.noise(2, shape=(1, 9, 9))), "1 x 9 x 9, the classifier takes"),
    "two targets": (lambda n: ascend(n, Logit([1, 2]), Pixels.noise(3)), "2 entries for 3 images"),
    "two labels": (lambda n: ascend(n, Logit(1), Pixels.noise(3), until=Misclassified([1, 2])), "2 entries for 3"),
    "no target": (lambda n: ascend(n, L2(), Pixels.noise(3), until=0.9), r"L2\(\) has none"),
    "sure": (lambda n: ascend(n, Logit(1), Pixels.noise(3), until=1.0), "between 0 and 1"),
    "unknown step": (lambda n: ascend(n, Logit(1), Pixels.noise(3), step="newton"), "plain, sign, std"),
    "down": (lambda n: ascend(n, Logit(1), Pixels.noise(3), step_size=-1), "climb -objective"),
    "steps": (lambda n: ascend(n, Logit(1), Pixels.noise(3), steps=-1), "steps must be at least 0"),
    "decay": (lambda n: ascend(n, Logit(1), Pixels.noise(3), decay=1.5), "decay"),
    "ball": (lambda n: ascend(n, Logit(1), Pixels.noise(3), ball=("l1", 2)), "'linf', radius"),
    "ball of weights": (lambda n: ascend(n, Logit(1), CPPN.noise(3), ball=("l2", 2)), "for Pixels, not for CPPN"),
    "generator": (
        lambda n: ascend(n, Logit(1), Latent(TooBright(), torch.tensor([[-1.0], [-1.0], [2.0]]))),
        r"image 2 is outside \[0, 1\]",
    ),
    "verdicts": (lambda n: ascend(n, Logit(1), Pixels.noise(3), until=lambda seen: True), r"bool \(3,\)"),
}  # fmt: skip


@pytest.mark.parametrize("call, message", BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(UserError, match=message) as caught:
        call(LeNet())
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(lenet):
    network = copy.deepcopy(lenet).cuda()
    start = Pixels.noise(200)
    result = ascend(network, LogProbability(torch.arange(200) % 10), start, until=0.99)
    assert result.success.all() and result.images.device.type == "cpu"
