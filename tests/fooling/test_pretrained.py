"""What is loaded is what was saved, to the bit; anything else about the folder is an error that says what."""

import json
import os
import re
import resource
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_hub import Hub, serve
from torch import nn

from fooling.classifiers import Classifier, JudgeNet, LeNet, SoftmaxRegression
from fooling.errors import MissingFile, UserError
from fooling.pretrained import Pretrained
from gan.networks import Discriminator, Generator


class Dense(Pretrained):
    def __init__(self, *, inputs: int = 3, bias: bool = True):
        super().__init__()
        self.config = {"inputs": inputs, "bias": bias}
        if inputs == 13:
            raise UserError("inputs must not be 13")
        self.layers = nn.Sequential(nn.Linear(inputs, 4, bias=bias), nn.BatchNorm1d(4), nn.Dropout(0.5))

    def forward(self, x):
        return self.layers(x)


class Other(Pretrained):
    def __init__(self):
        super().__init__()
        self.config = {}


@pytest.fixture
def network():
    network = Dense(inputs=5)
    network(torch.randn(8, 5, generator=torch.Generator().manual_seed(0)))  # for BatchNorm to remember
    return network


@pytest.fixture
def saved(network, tmp_path):
    return network.save_pretrained(tmp_path / "new" / "saved")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def edit_config(folder, **changes):
    config = {**json.loads((folder / "config.json").read_text()), **changes}
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def edit_weights(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("cls", [Dense, Pretrained])
def test_a_saved_network_comes_back_bit_equal_and_ready_to_use(cls, network, saved, no_network):
    loaded = cls.from_pretrained(saved)
    assert type(loaded) is Dense and loaded.config == network.config and not loaded.training
    assert loaded.state_dict().keys() == network.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in network.state_dict().items())
    x = torch.randn(2, 5)
    assert torch.equal(loaded(x), network.eval()(x))


def test_weights_in_another_memory_layout_are_saved_as_they_are(tmp_path):
    class Convolution(Pretrained):
        def __init__(self):
            super().__init__()
            self.config = {}
            self.layer = nn.Conv2d(3, 5, 3)

    network = Convolution().to(memory_format=torch.channels_last)
    loaded = Convolution.from_pretrained(network.save_pretrained(tmp_path))
    assert torch.equal(loaded.layer.weight, network.layer.weight)


def test_the_folder_holds_a_readable_configuration_and_the_card_and_nothing_else(network, tmp_path):
    network.save_pretrained(tmp_path, card="# A network\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "class": f"{__name__}:Dense",
        "inputs": 5,
        "bias": True,
    }
    assert (tmp_path / "README.md").read_text() == "# A network\n"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002], ids=oct)
def test_who_may_read_the_files_is_the_users_to_say(mask, network, tmp_path):
    before = os.umask(mask)
    try:
        network.save_pretrained(tmp_path / "saved", card="# A network\n")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "saved").iterdir()} == {0o666 & ~mask}


def test_a_failed_save_leaves_the_older_one(saved):
    before = {p.name: p.read_bytes() for p in saved.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(UserError, match=f"cannot write {saved}"):
            Dense(inputs=50).save_pretrained(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_named(network, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write .*file/saved: .*Not a directory"):
        network.save_pretrained(tmp_path / "file" / "saved")


MISTAKES = {
    "an unknown key": (lambda f: edit_config(f, depth=3), r"config\.json has unknown keys: depth \(known are bias"),
    "a missing key": (lambda f: edit_config(f, bias=None), r"config\.json lacks the keys bias"),
    "no class": (lambda f: edit_config(f, **{"class": None}), r"config\.json names no known class"),
    "an unknown class": (lambda f: edit_config(f, **{"class": "Densw"}), "no known class: it says 'Densw', known"),
    "a class that is no name": (lambda f: edit_config(f, **{"class": ["Dense"]}), "names no known class"),
    "another class": (lambda f: edit_config(f, **{"class": "Other"}), r"holds a .*:Other, not a .*:Dense"),
    "a class of a module that nobody imported": (
        lambda f: edit_config(f, **{"class": "this:Dense"}), "it says 'this:Dense', which must be imported before"),
    "a value of the wrong type": (lambda f: edit_config(f, inputs="five"), r"config\.json does not describe a Dense"),
    "an impossible value": (lambda f: edit_config(f, inputs=-5), r"config\.json does not describe a Dense"),
    "a refused value": (lambda f: edit_config(f, inputs=13), r"config\.json does not .* inputs must not be 13"),
    "another size": (lambda f: edit_config(f, inputs=6), r"layers\.0\.weight has shape \(4, 5\), expected \(4, 6\)"),
    "no weights for a layer": (
        lambda f: edit_weights(f, lambda t: t.pop("layers.0.bias")), r"safetensors lacks the weights layers\.0\.bias"),
    "weights for no layer": (
        lambda f: edit_weights(f, lambda t: t.update(more=torch.ones(1))), "weights that the network does not: more"),
    "a truncated configuration": (lambda f: (f / "config.json").write_text('{"class": "De'), "cannot read the Dense"),
    "a configuration that is a list": (lambda f: (f / "config.json").write_text("[]"), "names no known class"),
    "a binary configuration": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "cannot read the Dense in"),
    "truncated weights": (lambda f: os.truncate(f / "model.safetensors", 300), "cannot read the Dense in"),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), "cannot read the Dense in"),
    "pickled weights": (lambda f: torch.save({}, f / "model.safetensors"), "cannot read the Dense in"),
    "missing weights": (lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors is not there"),
    "a missing configuration": (lambda f: (f / "config.json").unlink(), r"config\.json is not there"),
}  # fmt: skip


@pytest.mark.parametrize(("break_it", "message"), MISTAKES.values(), ids=MISTAKES)
def test_what_does_not_fit_exactly_is_refused_in_one_line(break_it, message, saved, no_network):
    break_it(saved)
    with pytest.raises(UserError, match=message) as caught:
        Dense.from_pretrained(saved)
    assert "\n" not in str(caught.value) and str(saved) in str(caught.value)


@pytest.mark.parametrize(
    "place",
    ["runs/mnsit/generator", "runs/mnsit", "./x", "../x", "/no/such/folder", "~/nothing-here", "x", Path("owner/name")],
    ids=str,
)
def test_a_mistyped_path_fails_at_once(place, no_network):
    started = time.perf_counter()
    with pytest.raises(MissingFile, match=r"no saved Dense in .*named owner/name"):
        Dense.from_pretrained(place)
    assert time.perf_counter() - started < 1


# ---- which class a folder means


def test_networks_of_installed_packages_are_saved_by_their_bare_names_and_found_by_those(tmp_path):
    """In a process that has imported nothing but `fooling`: what holds their classes is imported for them."""
    made = {cls.__name__: cls() for cls in (JudgeNet, LeNet, SoftmaxRegression, Generator, Discriminator)}
    for name, network in made.items():
        network.save_pretrained(tmp_path / name)
        assert json.loads((tmp_path / name / "config.json").read_text())["class"] == name
    code = "from fooling import Pretrained; import sys; [print(Pretrained.from_pretrained(f)) for f in sys.argv[1:]]"
    folders = sorted(tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True, check=True)
    assert re.findall(r"^\w+", done.stdout, re.MULTILINE) == [type(made[f.name]).__name__ for f in folders]


def test_a_class_of_yours_replaces_none_of_ours(tmp_path):
    ours = LeNet().save_pretrained(tmp_path / "ours")
    namesake = make_namesake()
    assert type(Classifier.from_pretrained(ours)) is type(Pretrained.from_pretrained(ours)) is LeNet
    yours = namesake().save_pretrained(tmp_path / "yours")
    assert type(Classifier.from_pretrained(yours)) is namesake
    with pytest.raises(UserError, match=r"holds a .*test_pretrained:.*LeNet, not a LeNet$"):
        LeNet.from_pretrained(yours)


def make_namesake():
    class LeNet(SoftmaxRegression):
        pass

    return LeNet


def test_a_folder_of_an_older_version_is_found_by_its_bare_name(saved):
    edit_config(saved, **{"class": "Dense"})
    assert type(Pretrained.from_pretrained(saved)) is type(Dense.from_pretrained(saved)) is Dense


def test_a_bare_name_that_two_classes_have_is_not_guessed(saved):
    """Called on one of the two it means that."""

    class Twin(Dense):
        pass

    def another():
        class Twin(Dense):
            pass

        return Twin

    another = another()
    edit_config(saved, **{"class": "Twin"})
    with pytest.raises(UserError, match=r"may mean .*:test_a.*Twin and .*:test_a.*another.*Twin: .*'Twin'") as caught:
        Pretrained.from_pretrained(saved)
    assert "\n" not in str(caught.value)
    assert type(Twin.from_pretrained(saved)) is Twin and type(another.from_pretrained(saved)) is another


def test_what_a_script_saved_is_loaded_by_the_class_wherever_that_lives(saved):
    edit_config(saved, **{"class": "__main__:Dense"})
    assert type(Dense.from_pretrained(saved)) is Dense
    with pytest.raises(UserError, match="must be imported before"):
        Pretrained.from_pretrained(saved)


def test_no_module_is_imported_because_a_file_names_it(saved, tmp_path, monkeypatch):
    (tmp_path / "mischief.py").write_text("from pathlib import Path\nPath('done').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mischief:Dense", "mischief", "mischief.Dense"):
        edit_config(saved, **{"class": name})
        with pytest.raises(UserError, match="names no known class"):
            Pretrained.from_pretrained(saved)
    assert "mischief" not in sys.modules and not Path("done").exists()


# ---- the Hugging Face Hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on this machine, which huggingface_hub takes for the real one."""
    hub = Hub(token="hf_secret")
    with serve(hub):
        files = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


def test_a_network_goes_to_the_hub_and_comes_back(hub, network):
    assert network.push_to_hub("me/dense", token="hf_secret") == f"{hub.address}/me/dense"
    assert sorted(hub.repositories["me/dense"]) == ["config.json", "model.safetensors"]
    loaded = Dense.from_pretrained("hub:me/dense")
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in network.state_dict().items())


def test_a_name_without_a_folder_is_one_on_the_hub(hub, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network.push_to_hub("me/dense", token="hf_secret")
    loaded = Dense.from_pretrained("me/dense")
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in network.state_dict().items())
    here = Dense(inputs=7).save_pretrained("me/dense")  # a folder that is there wins
    assert Dense.from_pretrained("me/dense").config == Dense.from_pretrained(here).config == {"inputs": 7, "bias": True}


def test_what_is_neither_a_folder_nor_on_the_hub_says_both(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        MissingFile, match=r"no saved Dense in me/typo: there is no such folder, and .*Hub: ."
    ) as caught:
        Dense.from_pretrained("me/typo")
    assert "\n" not in str(caught.value)


def test_what_was_downloaded_is_there_without_a_network(hub, network, monkeypatch):
    network.push_to_hub("me/dense", token="hf_secret")
    Dense.from_pretrained("hub:me/dense")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    loaded = Dense.from_pretrained("hub:me/dense")
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in network.state_dict().items())


def test_a_saved_folder_goes_to_the_hub_as_it_is(hub, network, tmp_path):
    network.save_pretrained(tmp_path / "saved", card="# A network\n")
    (tmp_path / "saved" / "samples.png").write_bytes(b"picture")
    assert network.push_to_hub("hub:me/dense", folder=tmp_path / "saved", token="hf_secret")
    assert hub.repositories["me/dense"] == {p.name: p.read_bytes() for p in (tmp_path / "saved").iterdir()}


@pytest.mark.parametrize("private", [False, True])
def test_who_may_see_it_is_as_asked(private, hub, network):
    network.push_to_hub("me/dense", token="hf_secret", private=private)
    assert hub.visibility["me/dense"] == ("private" if private else "public")


def test_only_what_is_needed_is_downloaded(hub, network, tmp_path):
    network.save_pretrained(tmp_path / "saved", card="# A network\n")
    network.push_to_hub("me/dense", folder=tmp_path / "saved", token="hf_secret")
    hub.requests.clear()
    Dense.from_pretrained("hub:me/dense")
    assert any("model.safetensors" in r for r in hub.requests) and not any("README" in r for r in hub.requests)


def test_what_the_hub_holds_is_checked_as_strictly(hub, network):
    network.push_to_hub("me/dense", token="hf_secret")
    hub.repositories["me/dense"]["config.json"] = b'{"class": "Dense", "inputs": 6, "bias": true}'
    with pytest.raises(UserError, match=r"expected \(4, 6\)"):
        Dense.from_pretrained("hub:me/dense")
    with pytest.raises(UserError, match=r"holds a .*:Dense, not a .*:Other"):
        Other.from_pretrained("hub:me/dense")


@pytest.mark.parametrize("name", ["hub:me/nothing", "hub:", "hub:a/b/c", "hub:me/with space"])
def test_what_is_not_on_the_hub_is_one_line(name, hub):
    with pytest.raises(MissingFile, match=f"cannot get {name} from the Hugging Face Hub: .") as caught:
        Dense.from_pretrained(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("token", ["hf_wrong", None])
def test_an_upload_that_the_hub_refuses_is_one_line(token, hub, network):
    with pytest.raises(UserError, match=r"cannot upload to me/dense on the Hugging Face Hub: .") as caught:
        network.push_to_hub("me/dense", token=token)
    assert "\n" not in str(caught.value) and hub.repositories == {}


def test_no_hub_within_reach_is_one_line_and_soon(monkeypatch, tmp_path, network):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    started = time.perf_counter()
    with pytest.raises(MissingFile, match="cannot get hub:me/dense"):
        Dense.from_pretrained("hub:me/dense")
    with pytest.raises(UserError, match="cannot upload to me/dense"):
        network.push_to_hub("me/dense", token="hf_secret")
    assert time.perf_counter() - started < 20


@pytest.mark.slow
def test_a_network_that_says_nothing_is_not_waited_for(monkeypatch, tmp_path):
    """It takes what it is sent, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        started = time.perf_counter()
        with pytest.raises(MissingFile, match="cannot get me/dense"):
            Dense.from_pretrained("me/dense")
    assert time.perf_counter() - started < 20
