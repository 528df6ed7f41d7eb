"""What explain returns is true of the classifier, image by image, and leaves the classifier alone."""

import copy

import pytest
import torch
from torch import nn

from fooling.classifiers.frozen import predict
from fooling.classifiers.load import Adapted
from fooling.classifiers.networks import LeNet, SoftmaxRegression, class_names
from fooling.climb.objectives import Channel
from fooling.errors import UserError
from fooling.show.explanations import (
    confused,
    filters,
    input_gradients,
    mistakes,
    nudge,
    untrained,
    weight_maps,
)


class Colour(nn.Module):
    """Seven classes of 12 x 9 colour images, with layers that behave differently in training."""

    num_classes, reject_class, input_shape = 7, False, (3, 12, 9)

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.logits = nn.Linear(4 * 10 * 7, 7)

    def forward(self, images):
        return self.logits(self.drop(torch.relu(self.norm(self.conv(images)))).flatten(1))


@pytest.fixture
def colour():
    torch.manual_seed(0)
    network = Colour()
    network.train()
    network.norm.eval()  # a mixture of modes, as in fine-tuning with frozen statistics
    network.conv.weight.requires_grad = False
    network.logits.weight.grad = torch.ones_like(network.logits.weight)
    return network


IMAGES = torch.rand(6, 3, 12, 9, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(6)


def refused(classifier):
    with pytest.raises(UserError):
        input_gradients(classifier, IMAGES, [7])


@pytest.mark.parametrize(
    "call",
    [
        lambda c: predict(c, IMAGES),
        lambda c: input_gradients(c, IMAGES, [0, 6]),
        lambda c: mistakes(c, IMAGES, LABELS),
        lambda c: nudge(c, IMAGES, [2]),
        lambda c: confused(c, IMAGES, LABELS),
        untrained,
        lambda c: filters(c, IMAGES[0], steps=2),
        refused,
    ],
    ids=["predict", "input_gradients", "mistakes", "nudge", "confused", "untrained", "filters", "an error"],
)
def test_the_classifier_is_left_exactly_as_it_was(colour, call):
    before, modes = copy.deepcopy(colour.state_dict()), [m.training for m in colour.modules()]
    random = torch.get_rng_state()
    call(colour)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), colour.state_dict().values(), strict=True))
    assert [m.training for m in colour.modules()] == modes
    assert [p.requires_grad for p in colour.parameters()] == [n != "conv.weight" for n, _ in colour.named_parameters()]
    assert torch.equal(colour.logits.weight.grad, torch.ones_like(colour.logits.weight))
    assert all(p.grad is None for n, p in colour.named_parameters() if n != "logits.weight")
    assert torch.equal(torch.get_rng_state(), random)


def test_gradients_are_those_of_each_image_alone(colour):
    together = input_gradients(colour, IMAGES, [0, 3])
    for i in range(6):
        alone = input_gradients(colour, IMAGES[i : i + 1], [0, 3])
        torch.testing.assert_close(alone.maps[0], together.maps[i])
        torch.testing.assert_close(alone.probabilities[0], together.probabilities[i])


def test_gradients_predict_what_a_small_change_does(colour):
    colour.double().eval()
    change = 1e-6 * torch.randn(6, 3, 12, 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    gradients = input_gradients(colour, IMAGES.double(), torch.arange(6)[:, None])
    with torch.no_grad():
        difference = colour(IMAGES.double() + change) - colour(IMAGES.double())
    expected = (gradients.maps[:, 0] * change).sum((1, 2, 3))
    torch.testing.assert_close(difference[range(6), range(6)], expected, rtol=1e-3, atol=1e-12)


def test_gradients_can_be_taken_where_gradients_are_off(colour):
    expected = input_gradients(colour, IMAGES, [1]).maps
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            torch.testing.assert_close(input_gradients(colour, IMAGES, [1]).maps, expected)


def test_many_images_give_what_few_give(softmax, digits):
    images = digits[0][:1000]
    assert torch.allclose(predict(softmax, images)[700:], predict(softmax, images[700:]))
    assert torch.allclose(
        input_gradients(softmax, images, [4]).maps[700:], input_gradients(softmax, images[700:], [4]).maps
    )


def test_weight_maps_of_softmax_regression_are_its_weights(softmax):
    torch.testing.assert_close(weight_maps(softmax), softmax.logits.weight.detach().view(10, 1, 28, 28))


def test_weight_maps_of_any_linear_network_speak_of_pixels_in_0_to_1():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    adapted = Adapted(linear, input_shape=(3, 4, 4), value_range=(-1, 1), std=(0.5,))
    torch.testing.assert_close(weight_maps(adapted), 4 * linear[1].weight.detach().view(3, 3, 4, 4))


def test_a_network_that_is_not_linear_has_no_weight_maps(lenet):
    with pytest.raises(UserError, match="LeNet is not linear"):
        weight_maps(lenet)


def test_mistakes_are_mistakes_the_surest_first(softmax, digits):
    images, labels = digits
    found = mistakes(softmax, images, labels, count=12)
    assert (found.labels != found.predictions).all() and len(found.images) == 12
    assert found.confidences.tolist() == sorted(found.confidences.tolist(), reverse=True)
    right = predict(softmax, images).argmax(1) == labels
    assert found.wrong == (~right).sum() and found.total == 1000
    wrong = predict(softmax, images)[~right].max(1).values
    assert found.confidences.min() >= wrong.sort().values[-12]
    torch.testing.assert_close(predict(softmax, found.images).max(1).values, found.confidences)


def test_a_nudge_is_one_step_of_the_stated_size_that_helps_its_class(lenet, digits):
    grey = digits[0][:20] * 0.5 + 0.25  # so that nothing is clipped
    nudged = nudge(lenet, grey, [3, 8], step=0.01)
    change = nudged.moved - grey[:, None]
    torch.testing.assert_close(change.std((2, 3, 4)), torch.full((20, 2), 0.01), rtol=2e-3, atol=1e-6)
    before, after = nudged.gradients.probabilities, nudged.probabilities
    assert (after[:, 0, 3] > before[:, 3]).all() and (after[:, 1, 8] > before[:, 8]).all()


def test_nudged_images_stay_images(lenet, digits):
    moved = nudge(lenet, digits[0][:20], [3], step=5.0).moved
    assert moved.min() == 0 and moved.max() == 1


class Peak(nn.Module):
    """Two classes: the first is likely only where a weighted sum of the pixels is about 0.02, a narrow peak; the second
    is what is left, and its logit has no gradient."""

    input_shape = (1, 4, 4)
    weights = torch.linspace(-1, 1, 16)

    def forward(self, images):
        peak = 3 - 5000 * (images.flatten(1) @ self.weights / 16 - 0.02).square()
        return torch.stack([peak, torch.zeros_like(peak)], 1)


class Louder(nn.Module):
    """Two classes that speak for the same pixels, the second three times as loud."""

    input_shape = (1, 4, 4)

    def forward(self, images):
        said = images.flatten(1) @ Peak.weights
        return torch.stack([said, 3 * said + 0.1], 1)


@pytest.mark.parametrize(("network", "beside"), [(Peak(), [False, True]), (Louder(), [True, False])])
def test_a_nudge_that_would_overshoot_is_shortened_and_one_that_helps_others_more_turns_aside(network, beside):
    grey = torch.full((1, 1, 4, 4), 0.5)
    nudged = nudge(network, grey, [0, 1], step=0.5)
    before, after = nudged.gradients.probabilities[0], nudged.probabilities[0]
    whole_step = grey + 0.5 * Peak.weights.view(1, 1, 4, 4) / Peak.weights.std(unbiased=False)
    assert predict(network, whole_step.clamp(0, 1))[0, 0] < before[0]  # what there was before: the opposite of its name
    assert after[0, 0] > before[0] + 0.01 and after[1, 1] >= before[1]
    assert nudged.beside[0].tolist() == beside
    torch.testing.assert_close(predict(network, nudged.moved[0]), after)
    found = confused(network, grey, step=0.5)
    pair = found.nudges.gradients.classes[0]
    assert (found.nudges.probabilities[0, [0, 1], pair] > before[pair]).all()


def test_an_image_that_nothing_makes_more_of_a_class_stays_as_it_is():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    network[1].weight.data = torch.tensor([[-1.0, -2.0, -3.0, -4.0], [0.0, 0.0, 0.0, 0.0]])
    black = torch.zeros(1, 1, 2, 2)
    nudged = nudge(network, black, [0, 1])
    assert torch.equal(nudged.moved[0, 0], black[0]) and nudged.probabilities[0, 0].tolist() == [0.5, 0.5]
    assert nudged.probabilities[0, 1, 1] > 0.5


def test_confused_images_are_the_closest_calls_and_move_either_way(lenet, digits):
    images, labels = digits
    found = confused(lenet, images, labels, count=5)
    top = predict(lenet, images).log().topk(2, 1)
    gaps = top.values[:, 0] - top.values[:, 1]
    torch.testing.assert_close(found.gaps, gaps.sort().values[:5], rtol=1e-3, atol=1e-4)
    assert torch.equal(found.labels, labels[found.indices])
    assert torch.equal(found.nudges.gradients.images, images[found.indices])
    for i, pair in enumerate(found.nudges.gradients.classes.tolist()):
        assert pair == top.indices[found.indices[i]].tolist()
        assert [found.nudges.probabilities[i, j].argmax() for j in (0, 1)] == pair


def test_doubtful_is_not_clueless():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4, bias=False))
    network[1].weight.data = 10 * torch.eye(4)
    torn, clueless, sure = torch.eye(4)[0] + torch.eye(4)[1], torch.ones(4), torch.eye(4)[3]
    images = torch.stack([sure, clueless, torn]).view(3, 1, 2, 2)
    assert confused(network, images, max_gap=1, min_pair=0.9).indices.tolist() == [2]
    assert confused(network, images, max_gap=1).indices.tolist() == [1, 2]
    assert confused(network, images[:1], max_gap=1).nudges.moved.shape == (0, 2, 1, 2, 2)


def test_an_untrained_copy_is_fresh_and_the_same_for_the_same_seed(lenet, digits):
    one, again, other = untrained(lenet, seed=1), untrained(lenet, seed=1), untrained(lenet, seed=2)
    assert torch.equal(one.conv1.weight, again.conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)
    assert (predict(one, digits[0]).argmax(1) == digits[1]).float().mean() < 0.5
    assert (predict(lenet, digits[0]).argmax(1) == digits[1]).float().mean() > 0.9


def test_a_layer_that_cannot_start_afresh_is_named():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

    with pytest.raises(UserError, match="'1'"):
        untrained(nn.Sequential(nn.Flatten(), Own()))


@pytest.mark.parametrize("bad", [10, -1])
def test_an_unknown_class_is_refused(lenet, bad):
    with pytest.raises(UserError, match=f"no class {bad}: the classifier has 10 classes, 0 to 9"):
        input_gradients(lenet, torch.zeros(1, 1, 28, 28), [3, bad])


def test_the_reject_class_is_called_none():
    assert class_names(SoftmaxRegression(num_classes=3, reject_class=True)) == ("0", "1", "2", "none")
    assert class_names(LeNet()) == tuple("0123456789")


def test_filters_are_the_first_convolution_and_what_it_makes_of_the_image(lenet, digits):
    image = digits[0][0]
    found = filters(lenet, image, steps=5)
    assert found.layer == "conv1" and found.channels == list(range(16))
    assert torch.equal(found.weights, lenet.conv1.weight)
    with torch.no_grad():
        torch.testing.assert_close(found.activations, lenet.conv1(2 * image[None] - 1)[0].relu())


@pytest.mark.parametrize("layer", ["conv1", "conv2", "hidden"])
def test_exciting_images_excite_far_more_than_noise(lenet, digits, layer):
    found = filters(lenet, digits[0][0], layer=layer, count=8)
    noise = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    relu = {"conv1": "relu1", "conv2": "relu2", "hidden": "relu3"}[layer]
    for i, channel in enumerate(found.channels):
        objective = Channel(relu, channel)
        with torch.no_grad():
            assert objective(lenet, found.exciting)[i] > 2 * objective(lenet, noise).mean() + 0.01
    assert found.exciting.min() >= 0 and found.exciting.max() <= 1


def test_few_channels_are_those_that_the_image_excites_most(lenet, digits):
    everything, few = (filters(lenet, digits[0][0], layer="conv2", count=n, steps=1) for n in (32, 3))
    strengths = everything.activations.mean((1, 2))
    assert set(few.channels) == set(strengths.topk(3).indices.tolist())


def test_an_unknown_layer_is_answered_with_the_known_ones(lenet, softmax, digits):
    with pytest.raises(UserError, match=r"no layer 'conv9' in LeNet: known are conv1, relu1, .*logits"):
        filters(lenet, digits[0][0], layer="conv9")
    with pytest.raises(UserError, match="has no convolution: name one of its layers, logits"):
        filters(softmax, digits[0][0])


def test_images_that_do_not_fit_are_refused(lenet):
    with pytest.raises(UserError, match="the classifier takes 1 x 28 x 28"):
        predict(lenet, torch.zeros(1, 1, 32, 32))
    with pytest.raises(UserError, match=r"image 1 is outside \[0, 1\]"):
        input_gradients(lenet, torch.tensor([0.5, 7.0]).view(2, 1, 1, 1).expand(2, 1, 28, 28), [0])
