"""A run's folder: old ones are resumed, and other settings are named."""

from dataclasses import asdict, dataclass, field

import pytest
import yaml

from fooling.data.load import DataConfig
from fooling.errors import UserError
from fooling.run.folder import refuse_changed_settings


@dataclass
class Inner:
    old: int = 1
    new: list[int] = field(default_factory=lambda: [2])


@dataclass
class Config:
    name: str = "run"
    kimg: float = 3.0
    later: str = "off"
    inner: Inner = field(default_factory=Inner)
    data: DataConfig = field(default_factory=DataConfig)


def write_old(folder, config):
    """As a version wrote it that did not know of the newer settings."""
    settings = asdict(config)
    del settings["later"], settings["inner"]["new"], settings["data"]["test_share"], settings["data"]["split_seed"]
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))


def test_a_run_of_an_older_version_is_resumed(tmp_path):
    write_old(tmp_path, Config())
    refuse_changed_settings(tmp_path, Config())
    with pytest.raises(UserError, match=r"inner\.new was .2. and is .3., later was off and is on"):
        refuse_changed_settings(tmp_path, Config(later="on", inner=Inner(new=[3])))


def test_one_that_was_trained_on_a_whole_folder_says_how_to_go_on(tmp_path):
    mine = DataConfig(name="folder", folder="mine")
    write_old(tmp_path, Config(data=mine))
    with pytest.raises(UserError, match=r"restore them \(--data.test_share 0.0\), or choose another --name") as caught:
        refuse_changed_settings(tmp_path, Config(data=mine))
    assert "\n" not in str(caught.value)
    refuse_changed_settings(tmp_path, Config(data=DataConfig(name="folder", folder="mine", test_share=0)))
