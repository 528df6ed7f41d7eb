"""The whole ladder, small: its runs, its figures, its picture and its page."""

import json
import re
from dataclasses import replace

import pytest
import torch
from in_browser import SCHEMES, WIDTHS, browser, faults, look, page_of
from PIL import Image

from fooling import load_classifier
from fooling.errors import UserError
from fooling.options.given import parse
from fooling.run.checkpoints import list_checkpoints
from gan import Generator
from gan.ladder import rungs
from gan.ladder.ladder import LadderConfig, ladder
from gan.ladder.measured import Found, keep, kept

SMALL = [
    "--climbs", "100", "--steps", "5", "--samples", "200",
    "--audit.images", "1", "--audit.steps", "3", "--audit.walks", "2", "--audit.walk_steps", "3",
    "--wandb.mode", "disabled", "--threads", "1", "--plain.kimg", "1", "--harden.kimg", "0.5",
    "--harden.negatives.climbed", "4", "--harden.ramp_kimg", "0", "--harden.attack.count", "10",
    "--generator.kimg", "0.5", "--generator.generator.width", "4", "--generator.metrics.kimg", "0",
    "--rungs", "plain", "harden", "generator",
]  # fmt: skip


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    """Three rungs of it: the configuration, and the folder."""
    config = parse(LadderConfig, [*SMALL, "--output", str(tmp_path_factory.mktemp("ladder") / "ladder")])
    return config, ladder(config)


def test_every_rung_is_a_run_of_its_own_and_the_same_command_leaves_finished_ones_alone(climbed, monkeypatch):
    config, folder = climbed
    assert load_classifier(folder / "plain").num_classes == 10
    assert load_classifier(folder / "generator").reject_class
    assert Generator.from_pretrained(folder / "generator" / "generator").sample(2).shape == (2, 1, 28, 28)
    newest = list_checkpoints(folder / "harden" / "checkpoints")[0]
    before, said = newest.stat().st_mtime_ns, (folder / "ladder.json").read_text()
    monkeypatch.setattr(rungs, "examine", lambda *_, **__: pytest.fail("it was measured before"))
    ladder(config)
    assert newest.stat().st_mtime_ns == before
    assert (folder / "ladder.json").read_text() == said


def test_what_is_kept_of_a_rung_is_taken_for_the_same_networks_measured_in_the_same_way(tmp_path):
    weights = tmp_path / "classifier" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"1")
    found = Found(torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4), None, {"accuracy": 0.5, "recognised": float("nan")})
    assert kept(tmp_path, {"climbs": 5}) is None
    keep(found, tmp_path, {"climbs": 5})
    same = kept(tmp_path, {"climbs": 5})
    assert same.climbs.equal(found.climbs) and same.noise.equal(found.noise) and same.samples is None
    assert same.figures["accuracy"] == 0.5 and same.figures["recognised"] != same.figures["recognised"]
    assert kept(tmp_path, {"climbs": 6}) is None
    weights.write_bytes(b"2")
    assert kept(tmp_path, {"climbs": 5}) is None
    (tmp_path / "measured.safetensors").write_bytes(b"half of it")
    assert kept(tmp_path, {"climbs": 5}) is None


def test_the_table_says_what_the_json_says(climbed):
    _, folder = climbed
    found = json.loads((folder / "ladder.json").read_text())["rungs"]
    assert list(found) == ["plain", "harden", "generator"]
    table = (folder / "ladder.md").read_text()
    for rung in found.values():
        assert f"{rung['accuracy']:.2%}" in table and 0 <= rung["rubbish"] <= 1 and rung["minutes"] > 0
    assert "samples_fd" in found["generator"] and "samples_fd" not in found["plain"]
    assert {f"taken_by_{name}" for name in found} <= found["generator"].keys()


def test_the_picture_has_a_column_for_each_rung(climbed):
    _, folder = climbed
    with Image.open(folder / "ladder.png") as picture:
        width, height = picture.size
    assert height > width > 84 * (1 + 3 + 1)  # noise, three rungs, samples


def test_the_page_can_be_read_on_a_desk_and_on_a_telephone_and_says_what_the_table_says(climbed):
    _, folder = climbed
    table = (folder / "ladder.md").read_text().splitlines()[4:]
    with browser() as opened, page_of(opened, folder / "ladder.html") as page:
        for width in WIDTHS:
            for scheme in SCHEMES:
                look(page, width=width, scheme=scheme)
                assert faults(page) == []
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        words = re.sub(r"\s+", " ", page.inner_text("main").replace("\xa0", " "))
        for line in table:
            assert all(cell in words for cell in re.split(r" ?\| ?", line)[1:-1])


@pytest.mark.parametrize("name", ["ladder", "ladder-quick", "ladder-fashion"])
def test_every_shipped_ladder_has_one_critic(name):
    config = parse(LadderConfig, ["--config", name])
    assert config.name == name
    assert {config.plain.model, config.rounds.model, config.harden.model} == {"lenet"}
    for rung in (config.generator, config.both, config.few):
        assert rung.discriminator.network == "classifier" and rung.discriminator.classifier in ("lenet", None)


def test_a_rung_whose_critic_is_no_classifier_is_refused():
    plain = LadderConfig()
    with pytest.raises(UserError, match=r"generator\.discriminator\.network must be classifier"):
        replace(plain, generator=replace(plain.generator, discriminator=type(plain.generator.discriminator)()))
    with pytest.raises(UserError, match="at least one rung"):
        LadderConfig(rungs=[])


@pytest.mark.parametrize(
    "option, lowest", [("images", "above 0"), ("walk_steps", "above 0"), ("restarts", "at least 0")]
)
def test_an_audit_that_tries_nothing_is_refused(option, lowest):
    with pytest.raises(UserError, match=rf"audit\.{option} must be {lowest}, got -1"):
        parse(LadderConfig, [f"--audit.{option}", "-1"])


@pytest.mark.slow
def test_two_processes_climb_it_together(commands):
    done = commands.run("gan", "ladder", *SMALL, "--rungs", "plain", "generator", processes=2)
    assert done.returncode == 0, done.stderr
    assert json.loads((commands.folder / "runs" / "ladder" / "ladder.json").read_text())["rungs"].keys() == {
        "plain", "generator",
    }  # fmt: skip
