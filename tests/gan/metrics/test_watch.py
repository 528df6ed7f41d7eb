import pytest
import torch

from fooling.run.checkpoints import load_checkpoint, save_checkpoint
from gan.metrics.modes import Modes
from gan.metrics.precision_recall import Overlap
from gan.metrics.report import Report
from gan.metrics.watch import Best, CollapseWatch
from gan.networks.generator import Generator

HEALTHY = {
    "discriminator_loss": 0.65,
    "generator_loss": 0.9,
    "generator_gradient_norm": 0.3,
    "images_per_second": 900.0,
}
MEASURED = {"coverage": 0.8, "class_shift": 0.02}


def report(distance):
    modes = Modes(count=10, of=10, divergence=0.0, moved=0.01, histogram=(50,) * 10)
    shares = Overlap(precision=0.8, recall=0.9, density=0.7, coverage=0.8)
    return Report("judge", "judge-v1 of mnist", "10,000 test images of mnist", 500, distance, shares, modes=modes)


def told(lines):
    watch = CollapseWatch()
    return [(number, alert.title) for number, line in enumerate(lines) for alert in watch.notice(line)]


@pytest.fixture(scope="module")
def generators():
    torch.manual_seed(0)
    return [Generator(width=4, latent_dim=8) for _ in range(4)]


def test_the_best_is_kept_as_it_was(generators):
    best, average = Best(), generators[0]
    assert best.network(average) is average and best.words == "" and best.warning is None and best.is_last
    for number, (distance, generator) in enumerate(zip([30, 10, 12], generators[1:], strict=True)):
        before = [p.clone() for p in generator.parameters()]
        best.notice(report(distance), 1000 * (number + 1), generator)
    kept = best.network(average)
    assert torch.equal(kept.sample(4), generators[2].sample(4)) and not kept.training
    with torch.no_grad():
        next(kept.parameters()).zero_()
    assert torch.equal(best.network(average).sample(4), generators[2].sample(4))  # nobody else's hands are on it
    assert all(torch.equal(a, b) for a, b in zip(before, generators[3].parameters(), strict=True))
    assert not best.is_last and best.warning is None
    assert best.words.startswith("The best that was measured, at 2 kimg: judge FD 10, precision 0.80, ")
    assert best.words.endswith(
        "; at 3 kimg: judge FD 12, precision 0.80, recall 0.90, density 0.70, coverage 0.80, 10 of 10 classes (500"
        " samples against the 10,000 test images of mnist, by judge-v1 of mnist)."
    )


def test_the_best_survives_a_checkpoint(generators, tmp_path):
    best, resumed = Best(), Best()
    resumed.load_state_dict(load_checkpoint(save_checkpoint(tmp_path, 0, best.state_dict())))
    assert resumed.network(generators[0]) is generators[0]
    best.notice(report(10), 1000, generators[1])
    best.notice(report(11), 2000, generators[2])
    resumed.load_state_dict(load_checkpoint(save_checkpoint(tmp_path, 1, best.state_dict())))
    assert resumed.words == best.words and not resumed.is_last
    assert torch.equal(resumed.network(generators[0]).sample(3), generators[1].sample(3))
    for one in (best, resumed):
        one.notice(report(9), 3000, generators[3])
    assert resumed.words == best.words == f"Measured at 3 kimg: {best.words.partition(': ')[2]}" and resumed.is_last


def test_a_last_one_that_is_much_worse_is_warned_of(generators):
    best = Best()
    best.notice(report(10), 1000, generators[1])
    best.notice(report(20), 2000, generators[2])
    assert best.warning.title == "the last generator is much worse than the best"
    assert "at 1 kimg was 10 and now is 20" in best.warning.text


def test_a_healthy_training_is_left_alone():
    course = [{**HEALTHY, "discriminator_loss": 0.02, "generator_gradient_norm": 7.0}] * 30  # as they begin
    course += [{**HEALTHY, "coverage": coverage, "class_shift": 0.8} for coverage in (0.004, 0.008, 0.012, 0.03)]
    course += [{**HEALTHY, "coverage": 0.06, "class_shift": 0.6}]
    course += [{**HEALTHY, **MEASURED}] * 9 + [{**HEALTHY, "coverage": 0.3, "class_shift": 0.02}]  # one bad measurement
    course += [{**HEALTHY, **MEASURED}, {**HEALTHY, "discriminator_loss": 0.001}] * 5
    course += [{**HEALTHY, "discriminator_loss": -3.0}] * 30  # Wasserstein's
    assert told(course) == []


@pytest.mark.parametrize("bad", [{"coverage": 0.2, "class_shift": 0.1}, {"coverage": 0.7, "class_shift": 0.6}])
def test_a_collapse_is_told_of_once_at_its_second_measurement(bad):
    course = [{**HEALTHY, **MEASURED}, HEALTHY, {**HEALTHY, **bad}, HEALTHY, {**HEALTHY, **bad}, {**HEALTHY, **bad}]
    assert told(course) == [(4, "the samples have collapsed")]


def test_samples_that_never_came_to_anything_are_told_of_at_the_third_measurement():
    nothing = {**HEALTHY, "coverage": 0.01, "class_shift": 0.9}
    assert told([nothing, HEALTHY, nothing, nothing, nothing]) == [(3, "the samples have collapsed")]
    assert told([{**HEALTHY, "coverage": 0.001}] * 4) == [(2, "the samples have collapsed")]  # without classes


def test_a_discriminator_that_wins_and_gradients_that_die_are_told_of_with_what_to_try():
    winning = [{**HEALTHY, "discriminator_loss": 0.004}] * 12
    assert told([HEALTHY, *winning]) == [(8, "the discriminator wins outright")]
    dying = [{**HEALTHY, "generator_gradient_norm": 2.0 / 4**n} for n in range(12)]
    assert told([HEALTHY, *dying]) == [(10, "the generator's gradients have died")]
    dead_at_once = [{**HEALTHY, "generator_gradient_norm": 3e-6}] * 6
    assert told(dead_at_once) == [(4, "the generator's gradients have died")]
    jump = [HEALTHY, {**HEALTHY, "generator_gradient_norm": 1e4}, *[HEALTHY] * 20]
    assert told(jump) == []
    for line in (winning[0], dead_at_once[0]):
        (alert,) = [alert for watch in [CollapseWatch()] for _ in range(9) for alert in watch.notice(line)]
        assert "--penalty.gamma" in alert.text and "\n" not in alert.text
