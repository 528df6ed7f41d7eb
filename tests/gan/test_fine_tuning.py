"""A training that begins with the networks of another, and needs them only to begin."""

import shutil

import pytest
import torch
from conftest import final_state, tensors_of

from fooling.data.load import load_config
from fooling.errors import MissingFile, UserError
from fooling.run.run import Run
from fooling.run.tracking import WandbConfig
from gan.config import DiscriminatorConfig, GeneratorConfig, SamplesConfig, TrainConfig
from gan.networks import Discriminator, Generator
from gan.training import Gan, train

# Those of configs/debug.yaml.
SETTINGS = {
    "generator": GeneratorConfig(width=8),
    "discriminator": DiscriminatorConfig(width=8),
    "samples": SamplesConfig(kimg=1, count=4),
    "wandb": WandbConfig(mode="disabled"),
    "threads": 1,
}


def config(folder, **settings):
    return TrainConfig(**{**SETTINGS, "output": str(folder), "kimg": 0.192, "checkpoint_kimg": 0.064, **settings})


def begun(config):
    with Run(config, total_images=1000, product="product") as run:
        return Gan(config, run, load_config(config.data))


def same(network, other):
    return all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_it_begins_with_the_samples_of_the_source_and_its_discriminator(debug_run, tmp_path, capsys):
    gan = begun(config(tmp_path / "new", init_from=str(debug_run[0])))
    source = Generator.from_pretrained(debug_run[0] / "generator")
    for network in (gan.generator, gan.ema.network):
        assert torch.equal(network.sample(9, seed=1), source.sample(9, seed=1))
    assert same(gan.discriminator, Discriminator.from_pretrained(debug_run[0] / "discriminator"))
    assert f"beginning with the generator and the discriminator of {debug_run[0]}" in capsys.readouterr().out


def test_a_generator_alone_gets_a_new_discriminator_which_is_said(debug_run, tmp_path, capsys):
    """Such as that of an older run, or one from the Hub."""
    gan = begun(config(tmp_path / "new", init_from=str(debug_run[0] / "generator")))
    assert "no discriminator was saved with it: a new one" in capsys.readouterr().out
    assert same(gan.ema.network, Generator.from_pretrained(debug_run[0] / "generator"))
    assert same(gan.discriminator, begun(config(tmp_path / "plain")).discriminator)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"init_from": "runs/nowhere"}, MissingFile, "init_from: no saved Generator in runs/nowhere"),
        (
            {"generator": GeneratorConfig(width=4, latent_dim=9)},
            UserError,
            "its generator has latent_dim 64 and width 8, and this run's latent_dim 9 and width 4",
        ),
        (
            {"discriminator": DiscriminatorConfig(width=4)},
            UserError,
            "its discriminator has width 8, and this run's width 4",
        ),
    ],
    ids=["nowhere", "another generator", "another discriminator"],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(settings, error, message, debug_run, tmp_path):
    with pytest.raises(error, match=message) as caught:
        train(config(tmp_path / "new", **{"init_from": str(debug_run[0]), **settings}))
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


class Killed(Exception):
    pass


def test_it_goes_on_exactly_without_its_source(debug_run, tmp_path, monkeypatch):
    for name in ("generator", "discriminator"):
        shutil.copytree(debug_run[0] / name, tmp_path / "source" / name)
    settings = {"init_from": str(tmp_path / "source")}
    train(config(tmp_path / "whole", **settings))
    step = Gan.step

    def killed(gan):
        if gan.run.images_seen == 128:
            raise Killed
        return step(gan)

    with monkeypatch.context() as patched:
        patched.setattr(Gan, "step", killed)
        with pytest.raises(Killed):
            train(config(tmp_path / "killed", **settings))
    shutil.rmtree(tmp_path / "source")
    train(config(tmp_path / "killed", **settings))
    got, want = (tensors_of(final_state(tmp_path / name)) for name in ("killed", "whole"))
    assert got.keys() == want.keys() and all(torch.equal(got[name], want[name]) for name in want)
    train(config(tmp_path / "plain"))
    plain = tensors_of(final_state(tmp_path / "plain"))
    assert not any(torch.equal(plain[k], want[k]) for k in want if k.endswith("weight"))


def test_a_folder_without_a_whole_checkpoint_begins_as_the_first_time(debug_run, tmp_path):
    settings = {"init_from": str(debug_run[0])}
    train(config(tmp_path / "new", **settings))
    want = tensors_of(final_state(tmp_path / "new"))
    for state in tmp_path.glob("new/checkpoints/*/state.pt"):
        state.write_bytes(b"damaged")
    train(config(tmp_path / "new", **settings))
    got = tensors_of(final_state(tmp_path / "new"))
    assert all(torch.equal(got[name], want[name]) for name in want)


@pytest.mark.slow
def test_on_two_processes_it_begins_alike(debug_run, commands):
    arguments = ["train", "--init_from", debug_run[0], "--generator.width", 8, "--discriminator.width", 8]
    arguments += ["--optimizer.learning_rate", 2e-4, "--mixed_precision", "no", "--threads", 1, "--kimg", 0.064]
    arguments += ["--wandb.mode", "disabled"]
    for processes, output in ((1, "one"), (2, "two")):
        done = commands.run("gan", *arguments, "--output", output, processes=processes)
        assert done.returncode == 0, done.stderr
    one, two = (tensors_of(final_state(commands.folder / output)) for output in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
