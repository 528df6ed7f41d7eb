"""The page computes what PyTorch computes: values, gradients, climbs, ways through latents; and says it as we do."""

import base64
import io
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fooling.classifiers.judge import trained_judge
from fooling.climb.ascent import ascend
from fooling.climb.objectives import Logit, LogProbability
from fooling.climb.parametrizations import Latent, Pixels
from fooling.data.load import DataConfig
from fooling.show.explanations import input_gradients
from fooling.show.layout import percent, with_article
from fooling.verbs.story import Story
from gan.latent import interpolate, shift
from gan.networks import Generator
from gan.playground.export import as_data, chain_of, rounded, run

# The logits of some inputs and, for each, the gradient with respect to it of every number that the chain gives.
JACOBIANS = """([chain, inputs, few]) => {
  const run = network(chain, inputs[0].length);
  return inputs.map(input => {
    const values = Array.from(run.forward(Float32Array.from(input)));
    const rows = few || [...values.keys()];
    return [values, rows.map(k => Array.from(run.backward(Float32Array.from(values, (_, i) => +(i === k)))))];
  });
}"""


def agree(ours, theirs):
    """To 1e-5 of the largest number; of gradients, pixel by pixel."""
    ours = torch.tensor(ours)
    assert ours.shape == theirs.shape
    return (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max().clamp_min(1e-3)


def with_statistics(network):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
                    tensor.data.uniform_(0.5, 2)
    return network.eval()


def made(name, classifiers):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "odd":  # sides that do not halve evenly, frames, strides, rows that are no multiple of four
            return nn.Sequential(
                nn.Conv2d(1, 3, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(3, 6, 4, 1, 2), nn.MaxPool2d(2), nn.Tanh(),
                nn.Conv2d(6, 5, 3, bias=False), nn.Sigmoid(), nn.Flatten(), nn.Linear(125, 7),
            )  # fmt: skip
        return trained_judge(DataConfig()) if name == "judge" else classifiers[name]


@pytest.mark.parametrize("name", ["lenet", "harden", "judge", "odd"])
def test_logits_and_every_gradient_are_those_of_pytorch(name, page, classifiers, digits):
    kinds = torch.stack([torch.zeros(1, 28, 28), torch.ones(1, 28, 28), torch.full((1, 28, 28), 0.5)])
    noise = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    images = torch.cat([digits[0][:3], noise, kinds])  # on a black ground whole windows are equal: the first one counts
    chain = rounded(name, chain_of(name, made(name, classifiers), images), images, logits=True)
    found = page.evaluate(JACOBIANS, [as_data(chain), images.flatten(1).tolist(), None])
    for image, (values, gradients) in zip(images, found, strict=True):
        leaf = image[None].clone().requires_grad_()
        logits = run(chain, leaf)[0]
        theirs = torch.stack([torch.autograd.grad(logit, leaf, retain_graph=True)[0].flatten() for logit in logits])
        assert agree(values, logits.detach()) and agree(gradients, theirs)


@pytest.mark.parametrize("kernel_size", [3, 4, 5])
def test_pixels_of_a_generator_and_their_gradients_are_those_of_pytorch(kernel_size, page):
    generator = with_statistics(Generator(width=4, kernel_size=kernel_size))
    latents, few = torch.randn(3, 64, generator=torch.Generator().manual_seed(0)), [0, 300, 406, 783]
    chain = rounded("it", chain_of("it", generator, latents), latents, logits=False)
    found = page.evaluate(JACOBIANS, [as_data(chain), latents.tolist(), few])
    for z, (values, gradients) in zip(latents, found, strict=True):
        leaf = z[None].clone().requires_grad_()
        pixels = run(chain, leaf)[0]
        theirs = torch.stack([torch.autograd.grad(pixels[k], leaf, retain_graph=True)[0].flatten() for k in few])
        assert agree(values, pixels.detach()) and agree(gradients, theirs)


def test_every_number_of_sixteen_bits_is_read_as_it_was_written(page):
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    read = page.evaluate("text => Array.from(fromHalf(fromBase64(text)))", base64.b64encode(every.tobytes()).decode())
    finite = np.isfinite(every)
    assert (np.array(read, dtype=np.float32)[finite] == every[finite]).all()


CLIMB = """([number, start, target, steps]) => {
  const net = NETWORKS[number], image = Float32Array.from(start);
  const track = arrive({net, target, images: [], probabilities: []}, image);
  for (let k = 0; k < steps && !isDone(track); k++) climb(track, 0.02);
  return [track.images.map(image => Array.from(image)), track.probabilities, track.success];
}"""


def test_a_climb_takes_the_steps_of_ascend(page, classifiers, digits):
    for number, classifier in enumerate(classifiers.values()):
        start = digits[0][3:4]
        images, probabilities, _ = page.evaluate(CLIMB, [number, start.flatten().tolist(), 3, 20])
        ascent = ascend(
            classifier, LogProbability(3), Pixels(start), until=0.99, steps=20, step="sign", step_size=0.02,
            trace=range(21), progress=False,
        )  # fmt: skip
        last = len(images) - 1
        assert last == int(ascent.steps[0]) > 5
        change = (torch.tensor(images).view(-1, 1, 28, 28) - ascent.trace.images[: last + 1, 0]).abs().flatten(1)
        # The sign of a gradient that is almost 0 is a toss: a few pixels of 784 may go the other way, and no more.
        assert (change > 1e-4).sum(1).max() <= 8
        assert torch.allclose(torch.tensor(probabilities), ascent.trace.probabilities[: last + 1, 0], atol=5e-3)


def test_what_is_said_of_a_climb_is_what_trick_says(page, classifiers, digits):
    names = [*map(str, range(10)), "none"]
    starts = {
        "uniform noise": torch.rand(1, 28, 28),
        "your drawing": digits[0][0],
        "an 8 (test image 61)": digits[0][61],
    }
    for what, start in starts.items():
        for steps in (3, 150):
            said, last, success, taken = page.evaluate(
                f"""([what, ...given]) => {{
                  const [images, probabilities, success] = ({CLIMB})(given);
                  const track = {{what, names: NETWORKS[1].names, target: 7, images, probabilities, success}};
                  return [storyOf(track), images[images.length - 1], success, images.length - 1];
                }}""",
                [what, 1, start.flatten().tolist(), 7, steps],
            )
            path = torch.stack([start, torch.tensor(last).view(1, 28, 28)])
            story = Story(what, names, 7, input_gradients(classifiers["harden"], path, [7]), [0, taken], success)
            assert said == story.words.replace("\u2009", "\u202f")


def test_shares_and_names_are_written_as_everywhere_else(page):
    draw = random.Random(0)
    shares = [
        0.0,
        1.0,
        0.00004,
        0.00006,
        0.99994,
        0.99996,
        0.01,
        0.1,
        0.9,
        0.99,
        *(draw.random() ** 4 for _ in range(300)),
    ]
    expected = [percent(share).replace("\u2009", "\u202f") for share in shares]
    assert page.evaluate("shares => shares.map(percent)", shares) == expected
    names = ["7", "8", "F", "foot", "ankle boot", "11", "18", "81", "none", "T-shirt/top", "U", "unit"]
    assert page.evaluate("names => names.map(withArticle)", names) == [*map(with_article, names)]


def test_ways_through_latents_are_those_of_the_package(page):
    a, b, c = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    for start, end in ((a, b), (a, 2 * a)):
        ours = page.evaluate(
            """ends => {
              const [a, b] = ends.map(z => Float32Array.from(z));
              return Array.from({length: 12}, (_, k) => Array.from(between(a, b, k / 12)));
            }""",
            [start.tolist(), end.tolist()],
        )
        assert torch.allclose(torch.tensor(ours), interpolate(start, end, 12), atol=1e-5)
    ours = page.evaluate(
        "([z, p, m]) => Array.from(shifted(...[z, p, m].map(v => Float32Array.from(v)), 2.5))",
        [v.tolist() for v in (a, b, c)],
    )
    assert torch.allclose(torch.tensor(ours), shift(a[None], b - c, [2.5])[0, 0], atol=1e-5)


def test_a_climb_of_latents_goes_where_that_of_ascend_goes(page, classifiers, overlays):
    start = torch.randn(1, 10, generator=torch.Generator().manual_seed(1))
    ours = page.evaluate(
        """z => {
          const moved = Float32Array.from(z), step = climber(NETWORKS[0], 3, moved);
          for (let k = 0; k < 10; k++) step();
          return Array.from(moved);
        }""",
        start[0].tolist(),
    )
    ascent = ascend(
        classifiers["lenet"], Logit(3), Latent(overlays, start), steps=10, step="adam", step_size=0.05, progress=False
    )
    assert torch.allclose(
        torch.tensor(ours), ascent.params[0], atol=0.02
    )  # weights of 16 bits, and ten of Adam's steps


def test_noise_is_uniform_and_of_its_seed(page):
    one, again, other = (page.evaluate("seed => Array.from(noise(seed))", seed) for seed in (7, 7, 8))
    assert one == again != other
    counts = np.histogram(one + other, 8, (0, 1))[0]
    assert counts.min() > 140 and counts.max() < 252


def test_a_film_is_a_gif_that_rests_on_its_end(page, digits):
    images, probabilities, _ = page.evaluate(CLIMB, [0, digits[0][0].flatten().tolist(), 3, 500])
    gif = page.evaluate(
        """([images, probabilities]) => {
          const track = {name: "lenet", names: NAMES, images: images.map(i => Float32Array.from(i)), probabilities};
          return Array.from(gifOf("A 7, climbed to a 3", [track, track]));
        }""",
        [images, probabilities],
    )
    film = Image.open(io.BytesIO(bytes(gif)))
    assert 2 <= film.n_frames <= 42 and film.info["loop"] == 0
    durations, frames = [], []
    for k in range(film.n_frames):
        film.seek(k)
        durations.append(film.info["duration"])
        frames.append(np.asarray(film.convert("L"), dtype=int))
    assert durations[-1] == 2000 and 3000 <= sum(durations[:-1]) <= 21_000
    shown = frames[-1][60 : 60 + 168]
    for left in range(
        shown.shape[1] - 168
    ):  # somewhere in the last frame is the last image, each of its pixels six wide
        small = shown[3::6, left + 3 : left + 168 : 6][:28, :28]
        if np.abs(small - 255 * np.array(images[-1]).reshape(28, 28)).max() <= 5:
            return
    raise AssertionError("the last image is not in the last frame")


def test_centring_is_what_the_networks_need(page, digits):
    """Digits in corners, large and small, are misread; put as MNIST puts them, they are not."""
    images, labels = digits[0][:120], digits[1][:120]
    generator = torch.Generator().manual_seed(0)
    moved = []
    for image in images:
        spread, least = torch.tensor([0.6, 0.7, 0.7]), torch.tensor([0.6, -0.35, -0.35])
        scale, right, down = (torch.rand(3, generator=generator) * spread + least).tolist()
        way = torch.tensor([[[1 / scale, 0, right], [0, 1 / scale, down]]])
        grid = nn.functional.affine_grid(way, [1, 1, 28, 28], align_corners=False)
        moved.append(nn.functional.grid_sample(image[None], grid, align_corners=False)[0])
    read = page.evaluate(
        """images => images.map(pixels => {
          const image = Float32Array.from(pixels), put = centred(image);
          const read = x => NETWORKS.map(net => likeliest(look(net, x).slice(0, 10)));
          return [...read(image), ...read(put), isOff(put)];
        })""",
        torch.stack(moved).flatten(1).tolist(),
    )
    right = (torch.tensor([row[:4] for row in read]) == labels[:, None]).float().mean(0)
    assert right[:2].max() < 0.9 and right[2:].min() > 0.95
    assert sum(row[4] for row in read) <= 2  # what is centred is not offered to be centred again
