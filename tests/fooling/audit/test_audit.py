"""The audit finds what there is to find, and is not fooled itself."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import fooling.audit.audit
from fooling.audit.attacks import Adaptive, Best, Bounds, Climb, Transfer
from fooling.audit.audit import AuditConfig, audit
from fooling.audit.battery import Found, starts_of
from fooling.audit.examine import Effort, examine
from fooling.audit.page import audit_page
from fooling.audit.report import Share, audit_pictures, lines, table
from fooling.audit.verdict import verdict
from fooling.classifiers.judge import JudgeNet, JudgeScore, dirtied, moved, train_judge
from fooling.classifiers.jury import trained_jury
from fooling.classifiers.load import Adapted
from fooling.cli import main
from fooling.climb.objectives import LogProbability, Margin
from fooling.data.load import DataConfig, load
from fooling.errors import UserError
from fooling.files import write_png
from fooling.images import Images
from fooling.run.tracking import WandbConfig

TINY = Effort(images=10, steps=20, restarts=0, walks=4, walk_steps=5)


@pytest.fixture(scope="module")
def data():
    test = load("mnist", "test")
    return Images(test.images[:1000], test.labels[:1000], test.class_names)


class Masked(nn.Module):
    """As easily fooled as the network inside, and without a gradient anywhere."""

    num_classes, input_shape = 10, (1, 28, 28)

    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def forward(self, images):
        return self.inside((images * 8).round() / 8)


@pytest.fixture(scope="module")
def plain_report(lenet, softmax, data):
    return examine("plain", lenet, data, {}, softmax, softmax, TINY, seed=0, score=JudgeScore(0.97, 1000))


ATTACKS = {
    "sign": Climb(LogProbability, "sign", 0.05),
    "adam": Climb(Margin, "adam", 0.05),
    "adaptive": Adaptive(),
    "restarted": Adaptive(seed=1),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("radius", [0.2, None])
def test_an_attack_gives_the_best_it_saw_and_stays_in_bounds(name, radius, lenet):
    starts = torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(12) % 10
    best = ATTACKS[name](lenet, starts, targets, Bounds(starts, radius), 30)
    assert best.images.min() >= 0 and best.images.max() <= 1
    assert radius is None or (best.images - starts).abs().max() <= radius + 1e-6
    with torch.no_grad():
        confidences = lenet(best.images).softmax(1).gather(1, targets[:, None])[:, 0]
        before = lenet(starts).softmax(1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(best.confidences, confidences, atol=1e-4, rtol=0)
    assert confidences.mean() > before.mean() + 0.3
    assert (best.steps[confidences >= 0.99] < 30).all()


def test_transfer_gets_past_a_missing_gradient(lenet):
    starts = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(10)
    blind = Adaptive()(Masked(lenet), starts, targets, Bounds(starts), 30)
    carried = Transfer(lenet)(Masked(lenet), starts, targets, Bounds(starts), 60)
    assert blind.confidences.mean() < 0.3 and carried.confidences.mean() > 0.6


def test_each_image_counts_with_the_worst_that_was_found():
    class Judge(nn.Module):  # sees a class 0 in whatever is bright
        def forward(self, images):
            bright = images.flatten(1).mean(1)
            return torch.stack([bright, 0.5 * torch.ones_like(bright)], 1)

    classifier = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    bright, dark = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    found = Found.at_start(classifier, Judge(), dark, torch.tensor([0]))
    first = float(found.confidences)

    def offer(image, confidence, steps, by):
        found.offer(torch.tensor([0]), Best(image, torch.tensor([confidence]), torch.tensor([steps])), by)

    offer(bright, first + 0.01, 5, "a")
    assert found.by == ["a"] and found.steps.item() == math.inf
    offer(bright, 0.999, 9, "b")
    assert found.by == ["b"] and found.recognised.item() and not found.rubbish.item() and found.steps.item() == 9
    offer(dark, 0.991, 12, "c")  # less sure, and worse: the judge sees nothing there
    assert found.by == ["c"] and found.rubbish.item() and found.steps.item() == 9
    offer(bright, 1.0, 3, "d")
    assert found.by == ["c"] and found.images.equal(dark) and found.steps.item() == 3


def test_starts_of_another_class_are_of_another_class(data):
    images, targets = starts_of(data, {}, 10, 40, seed=0)["other classes"]
    labels = {image.numpy().tobytes(): int(label) for image, label in zip(data.images, data.labels, strict=True)}
    assert all(
        labels[(255 * x).round().byte().numpy().tobytes()] != t for x, t in zip(images, targets.tolist(), strict=True)
    )


def test_a_plain_network_is_fooled_from_everywhere_and_hides_nothing(plain_report):
    box, ball = plain_report.overall("box"), plain_report.overall("ball")
    assert box["fooled_99"] == 1 and box["rubbish_99"] > 0.5
    assert ball["fooled_99"] <= box["fooled_99"] and ball["mean_confidence"] <= box["mean_confidence"]
    assert 0 <= box["auroc"] <= box["auroc_start"] <= 1
    assert plain_report.accuracy > 0.95 and plain_report.calibration_error < 0.1
    within = list(plain_report.masking.within.values())
    assert within[0] < 0.5 < 0.8 < within[-1]
    assert plain_report.masking.signs == []
    assert plain_report.walk_figures["uniform"]["walked_median"] > 0.1


def test_a_network_that_hides_its_gradient_is_flagged(lenet, softmax, data):
    report = examine("masked", Masked(lenet).eval(), data, {}, softmax, lenet, TINY, seed=0)
    said = " / ".join(report.masking.signs)
    assert "the gradient is zero at 100% of the starts" in said
    assert "evolution, without a gradient, reaches classes that gradients do not" in said
    assert "images made on another network fool it more often" in said
    assert "warning: masked: " in table([report])


class Odd(nn.Module):
    """A network inside, and something odd about it."""

    num_classes, input_shape = 10, (1, 28, 28)

    def __init__(self, inside, oddity):
        super().__init__()
        self.inside, self.oddity = inside, oddity

    def forward(self, images):
        return self.oddity(self.inside(images))


def one_answer(logits):
    return 0 * logits + 50 * torch.eye(10)[3]


ODDITIES = {
    "probabilities": (lambda logits: logits.softmax(1), "it gives probabilities where logits are expected"),
    "doubtful": (lambda logits: 0.1 * logits, "sure of only 0% of the clean images"),
    "random": (lambda logits: logits + torch.randn_like(logits), "change from one look to the next"),
    "one answer": (one_answer, "the gradient is zero at 100%"),
}


@pytest.mark.parametrize("name", ODDITIES)
def test_what_makes_figures_say_little_is_said_before_them(name, lenet, data):
    oddity, message = ODDITIES[name]
    effort = Effort(images=10, steps=2, restarts=0, walks=2, walk_steps=2)
    with torch.random.fork_rng():
        report = examine(name, Odd(lenet, oddity).eval(), data, {}, None, None, effort, seed=0)
    assert message in " / ".join(report.warnings) and message[1:] in audit_page([report], effort, seed=0)
    if name == "one answer":  # sure of a class that it was not climbed to: that is no resistance
        box = report.overall("box")
        assert box["fooled_99"] == pytest.approx(0.1) and box["sure_start"] == box["mean_confidence"] == 1
        assert box["auroc"] == box["auroc_start"] == 0.5


def test_what_is_found_in_the_ball_is_found_in_the_box(plain_report):
    for by_budget in plain_report.found.values():
        ball, box = by_budget["ball"], by_budget["box"]
        assert (box.rubbish | ~ball.rubbish).all() and (box.steps <= ball.steps).all()
        assert (box.rubbish | (box.confidences >= ball.confidences)).all()
    for row in plain_report.figures.values():
        assert row["box"]["auroc"] <= row["box"]["auroc_start"] and row["box"]["fpr95"] >= row["box"]["fpr95_start"]


def test_the_same_seed_gives_the_same_table(plain_report, lenet, softmax, data):
    again = examine("plain", lenet, data, {}, softmax, softmax, TINY, seed=0)
    assert json.dumps(again.numbers()) == json.dumps(plain_report.numbers())


@pytest.mark.slow
def test_a_jury_is_asked_beside_the_judge_and_changes_none_of_its_figures(plain_report, lenet, softmax, data):
    jury = trained_jury(DataConfig())
    asked = examine("plain", lenet, data, {}, softmax, softmax, TINY, seed=0, jury=jury)
    said, before = asked.numbers(), plain_report.numbers()
    assert before.pop("jury") is None and said.pop("jury") == asked.jury
    for walk in said["walk_outs"].values():
        for name in ("recognised_by_jury", "recognised_least", "recognised_most"):
            assert 0 <= walk.pop(name) <= 1
    assert said == before
    assert asked.jury["recognised_least"] <= asked.jury["recognised_most"] and asked.jury["misled_sure"] > 0.8
    assert asked.jury["recognised_by_jury"] < 0.3  # nobody can read what climbs on a plain network draw
    page, text = audit_page([asked], TINY, seed=0), table([asked])
    without = audit_page([plain_report], TINY, seed=0)
    assert "A jury in place of the judge" in page and page.count("<img") == without.count("<img") + 20
    assert f"({Share(asked.jury['recognised_least'])} to {Share(asked.jury['recognised_most'])})" in text
    assert set(audit_pictures([asked])) - set(audit_pictures([plain_report])) == {"plain-jury"}


def test_the_page_holds_everything_it_shows(plain_report):
    page, text = audit_page([plain_report], TINY, seed=0).replace("\u00a0%", " %"), table([plain_report])
    images = [by_budget["box"].images for by_budget in plain_report.found.values()]
    images += [plain_report.masking.evolution.images, *(walk.images for walk in plain_report.walks.values())]
    assert page.count("<img") == sum(map(len, images))
    assert "src='http" not in page and "<link" not in page and "<script" not in page
    assert "No sign that this network hides its gradient" in page
    for words, meaning, (cell,) in lines([plain_report]):  # the terminal says the same
        assert words in page and meaning in page and f"{cell}</td>" in page and words in text and str(cell) in text
    said = verdict(plain_report).sentence
    assert page.index(said) < page.index("<table") and text.endswith(said)  # the first thing here, the last there
    assert len(audit_pictures([plain_report])) == len(plain_report.found) + 2
    alike = [replace(plain_report, label=label) for label in ("v1.0", "v1-0")]  # whose files would have one name
    assert len(audit_pictures(alike)) == 2 * len(audit_pictures([plain_report]))
    assert f"{Share(0.123)} {Share('nan')}" == "12.3% -"
    for kind in ("uniform noise", "permuted pixels", "other classes"):
        assert kind in page


def test_the_verb_audits_anyones_classifier(tmp_path, monkeypatch, lenet, softmax, capsys):
    folder = lenet.save_pretrained(tmp_path / "run" / "classifier").parent
    monkeypatch.setattr(fooling.audit.audit, "QUICK", Effort(images=3, steps=10, restarts=0, walks=2, walk_steps=3))
    monkeypatch.setattr(fooling.audit.audit, "trained_judge", lambda data: softmax)
    monkeypatch.setattr(fooling.audit.audit, "trained_classifier", lambda model="lenet": lenet)
    (tmp_path / "theirs.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        torch.manual_seed(0)\n"
        "        self.linear = torch.nn.Linear(784, 10)\n"
        "    def forward(self, x):\n"
        "        assert x.min() >= -1.01 and x.max() > 1e-3 - 1\n"
        "        return self.linear(x.flatten(1))\n"
        "def load():\n"
        "    return Net()\n"
    )
    monkeypatch.chdir(tmp_path)
    verbs = {"audit": ("fooling.audit.audit:audit", "")}
    options = ["--shape", "1", "28", "28", "--range", "-1", "1", "--others", "[]", "--wandb.mode", "disabled"]
    assert main("fooling", verbs, ["audit", str(folder), "theirs:load", "--output", "out", *options]) == 0
    printed = capsys.readouterr().out
    assert "theirs:load" in printed and "fooled with rubbish, anywhere in the box" in printed
    assert "at most about" in printed
    (tmp_path / "broken.py").write_text(
        "import theirs\nclass Net(theirs.Net):\n    def forward(self, x):\n        return super().forward(x).detach()\n"
    )
    assert main("fooling", verbs, ["audit", "--output", "half", *options, str(folder), "broken:Net"]) == 2
    out = capsys.readouterr()
    assert out.err.startswith("error: broken:Net: the log-probability has no gradient") and out.err.count("\n") == 1
    assert "fooled with rubbish" in out.out  # what was found before is not lost
    assert set(json.loads((tmp_path / "half" / "summary.json").read_text())["classifiers"]) == {"run"}
    text = (tmp_path / "out" / "summary.json").read_text()
    assert "NaN" not in text and "Infinity" not in text  # which JSON does not know
    summary = json.loads(text)
    assert set(summary["classifiers"]) == {"run", "theirs:load"}
    assert summary["classifiers"]["run"]["overall"]["box"]["fooled_99"] > 0.5
    assert summary["judge"]["images"] == 10_000 and 0.85 < summary["judge"]["accuracy"] < 0.95
    said = summary["classifiers"]["run"]["verdict"]
    assert said["level"] == "unclear" and "held-out images right, so nobody can say" in said["sentence"]
    for text in (printed, (tmp_path / "out" / "audit.html").read_text(encoding="utf-8").replace("\u00a0%", " %")):
        assert said["sentence"] in text and "too few to lean on what it calls rubbish" in text
    assert (tmp_path / "out" / "audit.html").stat().st_size > 100_000


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere"], "nowhere"),
        (["nowhere.at.all:load"], "state the images it takes"),
        ([], "models"),
    ],
)
def test_what_cannot_be_audited_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main("fooling", {"audit": ("fooling.audit.audit:audit", "")}, ["audit", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_for_other_data_is_refused(tmp_path, lenet, monkeypatch):
    three = Adapted(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), input_shape=(1, 28, 28))
    monkeypatch.setattr(fooling.audit.audit, "open_classifier", lambda *_: three)
    with pytest.raises(UserError, match=r"^x: .*10 classes, .* takes .* in 3"):
        audit(AuditConfig(models=["x"], output=str(tmp_path / "out"), wandb=WandbConfig(mode="disabled")))


def test_a_run_is_audited_on_the_data_it_was_trained_on(tmp_path, lenet):
    lenet.save_pretrained(tmp_path / "run" / "classifier")
    for k in range(20):
        write_png(np.full((28, 28, 3), 10 * k, np.uint8), tmp_path / "images" / "only" / f"{k}.png")
    data = {"name": "folder", "folder": str(tmp_path / "images"), "root": str(tmp_path / "cache"), "test_share": 0.5}
    (tmp_path / "run" / "config.yaml").write_text(json.dumps({"data": data}))
    with pytest.raises(UserError, match="an audit needs two classes or more, and folder has 1"):
        audit(AuditConfig(models=[str(tmp_path / "run")], wandb=WandbConfig(mode="disabled")))


def test_the_judge_learns_from_moved_and_dirty_images(data):
    images = data.images[:64] / 255
    generator = torch.Generator().manual_seed(0)
    there, dirty = moved(images, generator), dirtied(images, generator)
    assert (there - images).abs().flatten(1).amax(1).min() > 0.1
    assert dirty[::2].equal(images[::2]) and (dirty[1::2] - images[1::2]).abs().max() > 0.1
    for some in (there, dirty):
        assert some.shape == images.shape and some.min() >= 0 and some.max() <= 1 + 1e-5
    judge = train_judge(load("mnist", "train"), epochs=0.1)
    assert isinstance(judge, JudgeNet) and not judge.training
    with torch.no_grad():
        assert (judge(images).argmax(1) == data.labels[:64]).float().mean() > 0.6
