"""gan playground: what it writes, what it calls the networks, what it refuses."""

import pytest
import torch
from torch import nn

from fooling.classifiers.networks import LeNet, SoftmaxRegression
from fooling.errors import UserError
from gan.__main__ import main
from gan.networks import Generator
from gan.playground.playground import playground


def test_a_page_is_written_of_networks_by_the_names_of_their_folders(
    classifiers, overlays, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    classifiers["lenet"].save_pretrained("runs/mine/classifier")
    Generator(width=2).save_pretrained("runs/digits/generator")
    models = ["--models", "runs/mine", "harden", "softmax", "--generator", "runs/digits", "--output", "pages/one.html"]
    assert main(["playground", *models]) == 0
    said = capsys.readouterr().out
    assert said.startswith("pages/one.html: mine, harden, softmax and the generator of digits in 0.")
    page = (tmp_path / "pages" / "one.html").read_text(encoding="utf-8")
    assert "<title>Playground: mine, harden, softmax</title>" in page and '"dim":64' in page


def test_folders_of_one_name_are_told_apart(classifiers, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for where in ("a/net", "b/net"):
        classifiers["lenet"].save_pretrained(where)
    assert main(["playground", "--models", "a/net", "b/net"]) == 0
    assert "a/net and b/net in" in capsys.readouterr().out
    assert "Playground: a/net, b/net" in (tmp_path / "playground.html").read_text(encoding="utf-8")


def test_the_same_networks_are_the_same_bytes(classifiers, overlays):
    assert playground(classifiers, overlays) == playground(classifiers, overlays)


def test_the_browser_shows_it_when_asked_to(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    file = tmp_path / "it.html"
    assert main(["playground", "--models", "softmax", "--output", str(file), "--open", "true"]) == 0
    assert shown == [file.as_uri()]


WRONG = {
    "got 0": lambda: playground({}),
    "got 4": lambda: playground({str(k): SoftmaxRegression() for k in range(4)}),
    "it takes images of 1 x 32 x 32": lambda: playground({"big": LeNet(image_size=32)}),
    "it takes images of 3 x 28 x 28": lambda: playground({"coloured": LeNet(channels=3)}),
    "in 10 classes, the classifier takes": lambda: playground({"few": SoftmaxRegression(num_classes=4)}),
    "draws the class that it is asked for": lambda: playground(
        {"it": digits_by_shade()}, Generator(width=2, num_classes=3)
    ),
    "it draws images of 1 x 32 x 32": lambda: playground({"it": digits_by_shade()}, Generator(width=2, image_size=32)),
    "read none of the test images right": lambda: playground({"it": never_right()}),
}


def digits_by_shade():
    """Reads some digits right: the darkest are ones."""
    network = SoftmaxRegression()
    with torch.no_grad():
        network.logits.weight[1] = -1
        network.logits.bias[1] = 60
        network.logits.weight[0] = 1
        network.logits.bias[0] = -60
    return network


def never_right():
    network = SoftmaxRegression(reject_class=True)
    nn.init.ones_(network.logits.bias[-1:].data)
    return network


@pytest.mark.parametrize("says", WRONG)
def test_what_cannot_be_is_refused_in_one_line(says):
    with pytest.raises(UserError, match=says) as refused:
        WRONG[says]()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--output", "page.png"], "--output must name a .html file, got page.png"),
        (["--models", "leent"], "did you mean lenet"),
        (["--generator", "runs/nothing"], "no saved Generator in runs/nothing"),
        (["--models", "lenet", "harden", "softmax", "mine"], "no model 'mine' ships"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["playground", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and says in err
    assert list(tmp_path.iterdir()) == []
