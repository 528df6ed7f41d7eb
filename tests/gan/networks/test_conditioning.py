import pytest
import torch
from torch import nn

from fooling.errors import UserError
from gan import Discriminator, Generator
from gan.latent import draw_latents
from gan.networks import Verdict, verdict_of
from gan.networks.conditioning import ClassAffine, Concatenation, Head

LABELS = torch.tensor([2, 0])


def test_a_class_begins_with_no_gain_and_no_bias_of_its_own_and_has_them_afterwards():
    affine, x = ClassAffine(3, 2), torch.randn(2, 2, 3, 3)
    torch.testing.assert_close(affine(x, LABELS), x)
    nn.init.constant_(affine.gain.weight, 0)
    affine.gain.weight.data[2], affine.bias.weight.data[2] = torch.tensor([1.0, -1]), torch.tensor([0.0, 5])
    want = torch.stack([torch.stack([2 * x[0, 0], torch.full((3, 3), 5.0)]), x[1]])
    torch.testing.assert_close(affine(x, LABELS), want)
    assert affine(x.bfloat16(), LABELS).dtype == torch.bfloat16


def test_a_class_is_joined_to_the_latent_as_strongly():
    joined = Concatenation(1000, 16)(torch.randn(1000, 16), torch.arange(1000))
    assert joined.shape == (1000, 32)
    assert joined.std(0).min() > 0.9 and joined.std(0).max() < 1.1


def test_a_projection_is_the_papers_sum():
    """psi(phi) + <v_y, phi>: Miyato & Koyama 2018, eq. 3."""
    head, features = Head(4, 3, "projection"), torch.randn(2, 4)
    want = [head.score(f).item() + (head.classes.weight[y] @ f).item() for f, y in zip(features, LABELS, strict=True)]
    assert head(features, LABELS).tolist() == pytest.approx(want, abs=1e-6)
    with pytest.raises(UserError, match="it needs their labels"):
        head(features, None)


def test_an_auxiliary_head_says_the_classes_and_does_not_look_at_labels():
    head, features = Head(4, 3, "auxiliary"), torch.randn(2, 4)
    told, untold = head(features, LABELS), head(features, None)
    assert torch.equal(told.scores, untold.scores) and torch.equal(told.class_logits, untold.class_logits)
    assert told.class_logits.shape == (2, 3) and told.features is features


def test_a_verdict_is_taken_from_whichever_discriminator_in_float32():
    images = torch.rand(2, 1, 28, 28)
    plain = Discriminator(width=2)
    with torch.autocast("cpu", torch.bfloat16):
        for network, labels in ((plain, None), (Discriminator(width=2, num_classes=3), LABELS)):
            verdict = verdict_of(network, images, labels)
            assert verdict.scores.dtype == torch.float32 and verdict.class_logits is verdict.features is None
        told = verdict_of(Discriminator(width=2, num_classes=3, conditioning="auxiliary"), images)
    assert [part.dtype for part in told] == [torch.float32] * 3
    assert verdict_of(nn.Sequential(nn.Flatten(), nn.Linear(784, 1), nn.Flatten(0)), images).scores.shape == (2,)
    rough = Verdict(torch.ones(2, dtype=torch.float16), None, torch.ones(2, 3, dtype=torch.double))
    assert [p if p is None else p.dtype for p in verdict_of(lambda _: rough, images)] == [
        torch.float32, None, torch.double,
    ]  # fmt: skip


class TestLabelsOfSamples:
    generator = Generator(width=4, latent_dim=5, num_classes=4, conditioning="concatenation")

    def drawn(self, *labels: int, seed: int = 0) -> torch.Tensor:
        """What the network itself makes of the first latents of a seed as these classes."""
        with torch.no_grad():
            return self.generator.eval()(draw_latents(len(labels), 5, seed), torch.tensor(labels))

    @pytest.mark.parametrize(
        "labels", [[3, 3, 1], (3, 3, 1), torch.tensor([3, 3, 1]), torch.tensor([3, 3, 1], dtype=torch.uint8)], ids=str
    )
    def test_they_may_be_any_whole_numbers(self, labels):
        torch.testing.assert_close(self.generator.sample(labels=labels), self.drawn(3, 3, 1))
        torch.testing.assert_close(self.generator.sample(3, labels=labels, seed=2), self.drawn(3, 3, 1, seed=2))

    def test_a_range_is_a_sheet_and_one_is_for_all(self):
        torch.testing.assert_close(self.generator.sample(4, labels=range(4)), self.drawn(0, 1, 2, 3))
        torch.testing.assert_close(self.generator.sample(3, labels=2), self.drawn(2, 2, 2))
        assert self.generator.sample(labels=2).shape[0] == 64

    def test_without_them_every_class_has_its_turn_whatever_the_batches(self):
        images = self.generator.sample(70, batch_size=7)
        torch.testing.assert_close(images[:6], self.drawn(0, 1, 2, 3, 0, 1))
        torch.testing.assert_close(self.generator.sample(5), images[:5])

    def test_they_go_with_given_latents(self):
        latents = draw_latents(2, 5, 3)
        got = self.generator.sample(latents=latents, labels=[1, 2])
        torch.testing.assert_close(got, self.drawn(1, 2, seed=3))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (dict(labels=[0, 4]), r"labels must be from 0 to 3, got 4"),
            (dict(labels=[-1, 2]), r"labels must be from 0 to 3, got -1"),
            (dict(labels=9), r"labels must be from 0 to 3, got 9"),
            (dict(count=3, labels=[1, 2]), "3 images need as many labels, got 2"),
            (dict(latents=torch.zeros(2, 5), labels=[1]), "2 images need as many labels, got 1"),
            (dict(labels=[]), "count must be a whole number of at least 1"),
            (dict(labels=[0.5, 1]), r"labels must be whole numbers, one for each image, got \[0.5, 1\]"),
            (dict(labels=["a", "b"]), "labels must be whole numbers"),
            (dict(labels=[True, False]), "labels must be whole numbers"),
            (dict(labels=[[1, 2], [2, 3]]), "labels must be whole numbers"),
        ],
    )
    def test_what_is_no_class_is_refused_in_one_line(self, arguments, message):
        with pytest.raises(UserError, match=message) as caught:
            self.generator.sample(**arguments)
        assert "\n" not in str(caught.value)

    def test_a_generator_without_classes_takes_none_and_one_with_them_needs_them(self):
        with pytest.raises(UserError, match="trained without classes: it takes no labels"):
            Generator(width=2).sample(2, labels=[1, 2])
        with pytest.raises(UserError, match="has no classes: no labels"):
            Generator(width=2)(torch.zeros(1, 64), torch.zeros(1, dtype=torch.int64))
        with pytest.raises(UserError, match="needs labels, of 4 classes"):
            self.generator(torch.zeros(1, 5))
