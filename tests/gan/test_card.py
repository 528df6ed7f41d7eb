"""The card beside a generator says what the Hugging Face Hub wants to know, and reaches for nothing to do so."""

import socket
from dataclasses import asdict

import pytest
import yaml
from huggingface_hub import ModelCard

from fooling.data.load import DataConfig
from gan.card import model_card
from gan.config import TrainConfig

SUMMARY = {
    "images_seen": 2048,
    "total_images": 2048,
    "seconds": 1000,
    "images_per_second": 2,
    "processes": "on one process",
    "parameters": {"generator": 1234, "discriminator": 1},
    "torch": "2.9.0",
    "code": "fooling-gan 0.1.0, commit 1a2b3c",
}
SIZE = {"image_size": 28, "channels": 1}


@pytest.mark.parametrize("name", ["mnist", "a: b", "{braces}", "# 3", "yes"])
def test_the_front_matter_is_read_back_and_the_text_has_every_setting(name, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    card = ModelCard(model_card(TrainConfig(name=name), SUMMARY, **SIZE))
    assert card.data.to_dict() == {
        "datasets": ["ylecun/mnist"],
        "library_name": "fooling-gan",
        "license": "mit",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "dcgan", "unconditional-image-generation"],
    }
    assert f"# {name}\n" in card.text
    assert "until 2,048 images had been seen, in 1,000 seconds (2 images per second" in card.text
    assert "1,234 parameters in the generator and 1 parameter in the discriminator" in card.text
    assert "commit 1a2b3c, with PyTorch 2.9.0" in card.text and "float32 (64, 1, 28, 28)" in card.text
    assert "Unfinished" not in card.text
    settings = yaml.safe_load(card.text.split("```yaml\n")[1].split("```")[0])
    assert settings["name"] == name and settings == {
        k: v for k, v in asdict(TrainConfig(name=name)).items() if k in settings
    }


def test_it_says_one_second_and_which_folder_and_how_far_training_has_come():
    config = TrainConfig(data=DataConfig(name="folder", folder="some/where/emoji/"))
    young = SUMMARY | {"images_seen": 300_000, "total_images": 1_500_000, "seconds": 1, "images_per_second": 1}
    card = ModelCard(model_card(config, young, image_size=64, channels=3))
    assert "A generator of images of the folder emoji, 64 x 64 pixels in colour" in card.text
    assert "Unfinished: 300 of 1,500 kimg." in card.text
    assert "300,000 images had been seen, in 1 second (1 image per second" in card.text
    assert card.data.datasets is None and card.data.license is None  # of images that are somebody else's
