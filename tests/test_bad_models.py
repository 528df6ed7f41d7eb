"""Anyone's classifier, package.module:factory, that is not as it should be: one line that says whose fault it is."""

import pytest
from refusals import refused

IMPORTS = """
import torch
from torch import nn

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(784, 10)

    def forward(self, images):
        return self.layer(images.flatten(1))
"""

OWN = f"{IMPORTS}\nclass Odd(Own):\n    def forward(self, images):\n        logits = super().forward(images)\n        "
MODULES = {
    "raises": (f"{OWN}raise KeyError('weight')", "Odd failed with KeyError: 'weight'"),
    "raises many lines": (f"{OWN}raise RuntimeError('one\\ntwo\\nthree')", "Odd .*one two three"),
    "raises nothing": (f"{OWN}raise ValueError", "Odd failed with ValueError"),
    "asserts": (f"{OWN}assert False", "Odd failed with AssertionError"),
    "leaves": (f"{OWN}raise SystemExit(0)", "Odd failed with SystemExit"),
    "recurses": (f"{OWN}return self(images)", "Odd .*recursion"),
    "one number": (f"{OWN}return logits[:, 0]", r"logits of shape \(n, classes\)"),
    "no batch": (f"{OWN}return logits[0]", r"logits of shape \(n, classes\)"),
    "maps": (f"{OWN}return logits[..., None]", r"logits of shape \(n, classes\)"),
    "nothing": (f"{OWN}return None", "NoneType"),
    "a tuple": (f"{OWN}return logits, images", "tuple"),
    "numpy": (f"{OWN}return logits.detach().numpy()", "ndarray"),
    "NaN": (f"{OWN}return logits * float('nan')", "NaN"),
    "a single NaN": (f"{OWN}logits[0, 0] = float('nan'); return logits", "NaN"),
    "other size": (f"{OWN}return self.layer(images.flatten(1)[:, 1:])", "does not take images"),
    "one image only": (f"{OWN}return logits.view(1, 10)", "does not take images"),
    "wants a batch of 50": (f"{OWN}return logits.view(50, -1)", r"logits of shape \(n, classes\)|does not take"),
    "missing weight": (f"{OWN}return self.gone(images)", "Odd failed with AttributeError.*gone"),
}

AT_IMPORT = {
    "syntax": ("def (", "cannot import odd:.*SyntaxError"),
    "raises": ("raise RuntimeError('no licence')", "odd failed with RuntimeError: no licence"),
    "leaves": ("import sys; sys.exit(0)", "odd failed with SystemExit"),
    "needs another": ("import no_such_package", "no_such_package"),
    "half imported": ("from os import no_such_name", "no_such_name"),
    "no factory": ("x = 1", "has no attribute"),
    "divides": ("1 / 0", "ZeroDivisionError"),
    "latin-1": ("# m\udcfcll", "odd failed with SyntaxError|cannot import"),
}

FACTORIES = {
    "raises": "def Odd(): raise OSError('weights.pt is not there')",
    "leaves": "def Odd(): raise SystemExit(0)",
    "wants arguments": "def Odd(path): pass",
    "text": "def Odd(): return 'lenet'",
    "a class of no module": "class Odd: pass",
    "a number": "Odd = 3",
    "nothing": "def Odd(): pass",
    "the weights alone": "import torch\ndef Odd(): return torch.zeros(3)",
}


def first_now(verbs):
    """The first of them in every run of the tests, the others among the slow ones."""
    return [verbs[0], *(pytest.param(verb, marks=pytest.mark.slow) for verb in verbs[1:])]


VERBS = [*(f"fooling {verb} --model" for verb in ("trick", "evolve", "explain", "morph")), "fooling audit"]
IMPORTING = [
    "gan train --loss", *VERBS, "gan train --penalty.kind", "gan train --generator.network",
    "gan train --discriminator.network", "fooling trick --through", "gan playground --models",
]  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    return tmp_path


@pytest.fixture
def module(place, monkeypatch):
    """Write odd.py anew, and have it imported anew."""

    def write(text):
        (place / "odd.py").write_text(text + "\n", encoding="utf-8", errors="surrogateescape")
        monkeypatch.delitem(__import__("sys").modules, "odd", raising=False)
        __import__("importlib").invalidate_caches()

    yield write
    __import__("sys").modules.pop("odd", None)


@pytest.mark.parametrize("verb", first_now(VERBS))
@pytest.mark.parametrize("name", MODULES)
def test_a_network_that_fails_is_blamed(name, verb, module, place, capsys):
    text, says = MODULES[name]
    module(text)
    refused([*verb.split(), "odd:Odd", "--input.shape", "1", "28", "28"], place, capsys, says)


@pytest.mark.parametrize("verb", first_now(IMPORTING))
@pytest.mark.parametrize("name", AT_IMPORT)
def test_a_module_that_cannot_be_imported_is_blamed(name, verb, module, place, capsys):
    text, says = AT_IMPORT[name]
    module(text)
    shape = [] if verb.startswith("gan train") or "through" in verb else ["--input.shape", "1", "28", "28"]
    refused([*verb.split(), "odd:Odd", *shape], place, capsys, says)


@pytest.mark.parametrize("verb", first_now([*VERBS, "gan playground --models"]))
@pytest.mark.parametrize("name", FACTORIES)
def test_a_factory_that_gives_no_network_is_blamed(name, verb, module, place, capsys):
    module(FACTORIES[name])
    refused([*verb.split(), "odd:Odd", "--input.shape", "1", "28", "28"], place, capsys, "odd:Odd")


SHAPES = [
    ["1"],
    ["0", "28", "28"],
    ["-1", "28", "28"],
    ["1", "28"],
    ["1", "28", "28", "28"],
    ["1", "100000", "10000000"],
]
SCALES = [["--input.std", "0"], ["--input.std", "-1"], ["--input.mean", "1", "2"], ["--input.range", "1"],
          ["--input.range", "1", "0"], ["--input.range", "1", "1"]]  # fmt: skip


@pytest.mark.parametrize("verb", first_now(VERBS))
def test_impossible_inputs_are_one_line(verb, module, place, capsys):
    module(f"{IMPORTS}\nOdd = Own")
    for shape in SHAPES:
        refused([*verb.split(), "odd:Odd", "--input.shape", *shape], place, capsys, "shape|memory|take")
    for scale in SCALES:
        command = [*verb.split(), "odd:Odd", "--input.shape", "1", "28", "28", *scale]
        refused(command, place, capsys, "std|mean|range")


def test_a_lazy_network_takes_its_shapes_from_what_it_is_shown(module, place):
    from fooling.classifiers.load import load_classifier

    module("from torch import nn\ndef Odd(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(7))")
    assert load_classifier("odd:Odd", input_shape=(1, 28, 28)).num_classes == 7


def test_a_network_without_a_gradient_is_said_to_have_none(module, place, capsys):
    module(f"{OWN}return logits.detach()")
    refused(["fooling", "trick", "--model", "odd:Odd", "--input.shape", "1", "28", "28"], place, capsys, "gradient")
