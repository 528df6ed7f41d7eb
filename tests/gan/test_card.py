"""The card beside a generator says what the Hugging Face Hub wants to know, and reaches for nothing to do so."""

import socket
from dataclasses import asdict

import pytest
import yaml
from huggingface_hub import ModelCard

from gan.card import model_card
from gan.config import TrainConfig

SUMMARY = {"images_seen": 2048, "seconds": 1000, "images_per_second": 2, "processes": "on one process"}


@pytest.mark.parametrize("name", ["mnist", "a: b", "{braces}", "# 3", "yes"])
def test_the_front_matter_is_read_back_and_the_text_has_every_setting(name, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    card = ModelCard(model_card(TrainConfig(name=name), SUMMARY))
    assert card.data.to_dict() == {
        "library_name": "fooling-gan",
        "license": "mit",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "dcgan", "unconditional-image-generation"],
    }
    assert f"# {name}\n" in card.text and "2,048 images in 1,000 seconds" in card.text
    settings = yaml.safe_load(card.text.split("```yaml\n")[1].split("```")[0])
    assert settings["name"] == name and settings == {
        k: v for k, v in asdict(TrainConfig(name=name)).items() if k in settings
    }
