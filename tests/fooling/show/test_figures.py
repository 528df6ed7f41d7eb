"""Each figure holds what it is about, and nothing in it is cut off or stands on anything else."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fooling.classifiers.frozen import predict
from fooling.errors import UserError
from fooling.show.explanations import confused, filters, input_gradients, mistakes, nudge, weight_maps
from fooling.show.figures import (
    draw_confused,
    draw_filters,
    draw_gallery,
    draw_gradients,
    draw_mistakes,
    draw_nudges,
    draw_probabilities,
    draw_strip,
    draw_weight_maps,
    film,
    round_steps,
)
from fooling.show.layout import Sheet, percent, with_article

CLOTHES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


@pytest.fixture
def sheets(monkeypatch):
    """Every sheet whose picture is taken."""
    taken = []
    picture = Sheet.picture

    def spy(self):
        taken.append(self)
        return picture(self)

    monkeypatch.setattr(Sheet, "picture", spy)
    return taken


class Colourful(nn.Module):
    """Some classes of colour images 20 pixels high and 30 wide."""

    input_shape = (3, 20, 30)

    def __init__(self, classes=3):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu = nn.Conv2d(3, 5, 3), nn.ReLU()
        self.logits = nn.Linear(5 * 18 * 28, classes)

    def forward(self, images):
        return self.logits(self.relu(self.conv(images)).flatten(1))


COLOUR = torch.rand(4, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def figures(classifier, images, labels, names):
    """Every figure there is, by name."""
    path, step = input_gradients(classifier, images[:3], [1]), "A title that is rather long for a small picture"
    rows = [input_gradients(classifier, images[:1], [0, 2])] * 2
    yield "gallery", lambda: draw_gallery(images, [f"text {i}" for i in range(len(images))], title="t")
    yield "gradients", lambda: draw_gradients(rows, ["untrained", "trained"], names, title=step)
    yield "nudges", lambda: draw_nudges(nudge(classifier, images, [0, 2]), names, title=step)
    yield "probabilities", lambda: draw_probabilities(images[0], predict(classifier, images)[0], names, title=step)
    yield "strip", lambda: draw_strip(path, [0, 1, 2], names, title=step)
    yield "film", lambda: next(film(path, [0, 1, 2], names, title=step))
    yield "confused", lambda: draw_confused(confused(classifier, images, labels, count=3), names)
    yield "mistakes", lambda: draw_mistakes(mistakes(classifier, images, (labels + 1) % 3, count=7), names)
    yield "filters", lambda: draw_filters(filters(classifier, images[0], steps=2), title=step)


KINDS = ["gallery", "gradients", "nudges", "probabilities", "strip", "film", "confused", "mistakes", "filters"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", ["digits", "long names", "colour", "many classes"])
def test_words_are_whole_and_apart(kind, world, lenet, digits, sheets):
    images, labels = digits
    if world == "colour":
        classifier, images, labels, names = Colourful(), COLOUR, torch.tensor([0, 1, 2, 0]), ["red", "green", "blue"]
    elif world == "many classes":
        classifier, images, labels = Colourful(200), COLOUR, torch.tensor([0, 1, 2, 0])
        names = [f"number {k}" for k in range(200)]
    else:
        classifier, images, labels, names = lenet, images[:8], labels[:8], CLOTHES if world == "long names" else None
    picture = dict(figures(classifier, images, labels, names))[kind]()
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    sheet = sheets[0]
    texts = [t for t in sheet.figure.texts if t.get_text()]
    for axes in sheet.figure.axes:
        texts += [t for t in (*axes.get_xticklabels(), *axes.get_yticklabels()) if t.get_text()]
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts]
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= sheet.width and box.y1 <= sheet.height, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
        assert apart, (one, other)
    panels = [axes.get_window_extent() for axes in sheet.figure.axes]
    for a, b in itertools.combinations(panels, 2):
        assert a.x1 < b.x0 or b.x1 < a.x0 or a.y1 < b.y0 or b.y1 < a.y0
    for (text, a), b in itertools.product(boxes, panels):
        assert a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1, text


def words(sheet):
    return [t.get_text().replace("\u00a0", " ").replace("\u2009", "") for t in sheet.figure.texts]


def scales(sheet):
    """The colour limits of the maps around zero, in order."""
    images = [axes.images[0] for axes in sheet.figure.axes if axes.images]
    return [image.get_clim() for image in images if image.get_cmap().name == "red-white-blue"]


def test_weight_maps_share_one_scale_around_zero(softmax, sheets):
    draw_weight_maps(weight_maps(softmax))
    *maps, _ = scales(sheets[0])
    assert len(maps) == 10 and len(set(maps)) == 1
    low, high = maps[0]
    assert low == -high and high > 0
    assert [w for w in words(sheets[0]) if w.isdigit()] == list("0123456789")


def test_rows_of_gradients_have_their_own_scale_and_say_so(lenet, digits, sheets):
    one = input_gradients(lenet, digits[0][:1], [5, 8])
    weaker = type(one)(one.images, one.probabilities, one.classes, one.maps / 20)
    draw_gradients([weaker, one], ["untrained", "trained"], title="t")
    maps = scales(sheets[0])
    assert maps[0] == maps[1] and maps[2] == maps[3]
    assert maps[2][1] == pytest.approx(20 * maps[0][1])
    assert "untrained\n(colours \u00d7 20)" in words(sheets[0]) and "trained" in words(sheets[0])


def test_confused_images_show_both_classes_both_gradients_and_both_moves(lenet, digits, sheets):
    found = confused(lenet, *digits, count=2)
    draw_confused(found)
    (a, b), p = found.nudges.gradients.classes[0].tolist(), found.nudges.probabilities[0]
    said = words(sheets[0])
    before = found.nudges.gradients.probabilities[0]
    assert f"{a}: {percent(before[a])}, {b}: {percent(before[b])}".replace("\u00a0", " ") in said
    for k, after in zip((a, b), (p[0, a], p[1, b]), strict=True):
        chance = f"chance of {with_article(str(k))}: {percent(after)}"
        assert chance.replace("\u00a0", " ").replace("\u2009", "") in said
    assert len({limits for limits in scales(sheets[0])[:-1]}) == 1
    assert f"labelled\n{found.labels[0]}" in said


def test_mistakes_say_what_is_right_and_what_was_answered(softmax, digits, sheets):
    found = mistakes(softmax, *digits, count=3)
    draw_mistakes(found)
    said = words(sheets[0])
    assert said[0].replace("\n", " ") == f"The surest of its {found.wrong} mistakes on 1,000 images"
    for label, prediction in zip(found.labels.tolist(), found.predictions.tolist(), strict=True):
        assert any(f" {label}, called " in w and f" {prediction}\n" in w for w in said)


def test_a_strip_runs_from_the_first_image_to_the_last(lenet, digits, sheets):
    path = input_gradients(lenet, digits[0][:30], [3])
    draw_strip(path, list(range(0, 60, 2)), title="t", columns=5)
    steps = [w for w in words(sheets[0]) if w.startswith("step")]
    assert len(steps) == 5 and steps[0] == "step 0" and steps[-1] == "step 58, the last"


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (0, [0]), (1, [0, 1]), (5, [0, 1, 2, 3, 4, 5]), (7, [0, 2, 4, 6, 7]), (9, [0, 2, 4, 6, 8, 9]),
        (84, [0, 15, 30, 45, 60, 75, 84]), (500, [0, 100, 200, 300, 400, 500]),
    ],
)  # fmt: skip
def test_the_steps_that_are_shown_are_every_so_many_and_the_last(last, shown, lenet, digits, sheets):
    assert round_steps(last) == shown
    if last == 9:
        draw_strip(input_gradients(lenet, digits[0][:10], [3]), range(10), title="t")
        said = [w for w in words(sheets[0]) if w.startswith("step")]
        assert said == ["step 0", "step 2", "step 4", "step 6", "step 8", "step 9, the last"]


@pytest.mark.parametrize(("largest", "caption"), [(0.06, "change \u00d7 8"), (0.4, "change"), (0.0, "change")])
def test_a_strip_shows_what_changed_enlarged_from_grey(lenet, sheets, largest, caption):
    """Half the pixels become lighter step by step, the others darker."""
    direction = torch.where(torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0)) < 0.5, -1.0, 1.0)
    images = 0.5 + largest * torch.linspace(0, 1, 4).view(4, 1, 1, 1) * direction
    path = input_gradients(lenet, images, [3])
    draw_strip(path, range(4), title="t")
    next(film(path, range(4), title="t"))
    assert f"{caption}\n(grey: none)" in words(sheets[0]) and caption in words(sheets[1])
    changes = [axes.images[0].get_array() for axes in sheets[0].figure.axes if axes.images][1::2]
    times = int(caption[9:] or 1)
    for step, change in enumerate(changes):
        assert np.abs(change - (127.5 + 255 * times * largest * step / 3 * direction[0].numpy())).max() <= 1


def test_a_step_that_others_would_gain_more_by_says_what_it_follows(lenet, digits, sheets):
    nudges = nudge(lenet, digits[0][:1], [5, 8])
    aside = replace(nudges, beside=torch.tensor([[True, False]]), directions=nudges.directions * 2)
    draw_nudges(aside, title="t")
    assert "more of a 5 than others" in words(sheets[0]) and "more of an 8" in words(sheets[0])
    assert torch.equal(torch.as_tensor(sheets[0].figure.axes[1].images[0].get_array()), aside.directions[0, 0, 0])


def test_a_film_has_a_frame_for_every_image_and_its_bars_move(lenet, digits, sheets):
    path = input_gradients(lenet, digits[0][:6], [3])
    frames = list(film(path, range(6), title="t"))
    assert len(frames) == 6 and len({frame.shape for frame in frames}) == 1
    for sheet, probabilities in zip(sheets, path.probabilities, strict=True):
        heights = [bar.get_height() for bar in sheet.figure.axes[3].patches]
        assert heights == pytest.approx(probabilities.tolist())
    assert len({limits for sheet in sheets for limits in scales(sheet)}) == 2  # one for all maps, one for the key


def test_of_many_classes_the_likely_and_the_asked_for_have_bars(sheets):
    nudges = nudge(Colourful(200), COLOUR, [150, 7])
    draw_nudges(nudges, title="t")
    bars = [axes for axes in sheets[0].figure.axes if axes.patches]
    best = int(nudges.gradients.probabilities[0].argmax())
    for axes in bars:
        names = [t.get_text() for t in axes.get_xticklabels()]
        assert len(names) == 16 and {"150", "7", str(best)} <= set(names)
        after = dict(zip(names, [p.get_height() for p in axes.patches], strict=False))
        assert after["7"] == pytest.approx(nudges.probabilities[0, bars.index(axes), 7].item())


def test_filters_have_three_rows(lenet, digits, sheets):
    found = filters(lenet, digits[0][0], steps=3)
    draw_filters(found, title="t", on="a 7")
    assert len(sheets[0].figure.axes) == 3 * 16 + 1
    assert {"filter", "on a 7", "what excites\nit most", "channel 0", "channel 15"} <= set(words(sheets[0]))


def test_units_of_a_dense_layer_are_shown_with_their_numbers(lenet, digits, sheets):
    found = filters(lenet, digits[0][0], layer="hidden", steps=3, count=4)
    draw_filters(found, title="t", on="a 7")
    assert any(w.startswith("unit ") and w.endswith(f"{found.activations[0]:.1f} on a 7") for w in words(sheets[0]))
    assert len(sheets[0].figure.axes) == 4


def test_nothing_is_refused_in_one_line(softmax, digits):
    images, _ = digits
    right = predict(softmax, images).argmax(1)
    for draw, what in [
        (draw_mistakes, mistakes(softmax, images, right)),
        (draw_confused, confused(softmax, images, max_gap=0.0)),
    ]:
        with pytest.raises(UserError, match="nothing to draw"):
            draw(what)
