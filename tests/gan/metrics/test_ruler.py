import sys
from types import ModuleType

import pytest
import torch
from tiny_ruler import Corners, cornered, tiny_ruler

from fooling.classifiers.judge import trained_judge
from fooling.data.load import DataConfig
from fooling.errors import MissingFile, UserError
from fooling.images import Images, to_float, to_uint8
from fooling.run.processes import Processes
from gan.metrics import ruler as module
from gan.metrics.features import JudgeFeatures, extractor_for, features_of
from gan.metrics.ruler import MetricsConfig, Ruler, some
from gan.networks.generator import Generator


class Drawer(Generator):
    """Draws images out of a store, those that the latents' first numbers point to; of a class, if it has some."""

    def __init__(self, store: Images, num_classes=0):
        super().__init__()
        self.store, self.latent_dim, self.num_classes = store, 3, num_classes
        self.here = torch.nn.Parameter(torch.zeros(()))

    def forward(self, latents, labels=None):
        rows = (latents[:, 0].mul(1e6).long() % len(self.store)).tolist()
        if labels is not None:
            of_class = [(self.store.labels == k).nonzero()[:, 0] for k in range(self.num_classes)]
            rows = [int(of_class[k][row % len(of_class[k])]) for row, k in zip(rows, labels.tolist(), strict=True)]
        return to_float(self.store.images[rows]) + self.here


@pytest.fixture(scope="module")
def ruler(tmp_path_factory):
    return tiny_ruler(tmp_path_factory.mktemp("cache"))


def test_new_images_of_the_same_kind_are_as_good_as_the_floor_and_worse_ones_are_not(ruler):
    floor = ruler.floor(600, thorough=True)
    good = ruler.measure(Drawer(cornered(5000, 3)), 600, thorough=True)
    assert floor.count == good.count == 600
    assert good.frechet_distance < 2 * floor.frechet_distance
    assert good.overlap.precision > 0.9 and good.overlap.coverage > 0.9 and good.overlap.density > 0.9
    assert good.modes.count == 4 and good.modes.moved < 0.06
    assert good.copying.ratio == pytest.approx(1, abs=0.15)
    store = cornered(5000, 3)
    chosen = store.labels == 2
    one_class = Images(store.images[chosen], store.labels[chosen], store.class_names)
    collapsed = ruler.measure(Drawer(one_class), 600, thorough=True)
    assert collapsed.frechet_distance > 20 * good.frechet_distance
    assert collapsed.kernel_distance > 20 * abs(good.kernel_distance)
    assert collapsed.overlap.coverage < 0.4 and collapsed.modes.count == 1 and collapsed.inception_score < 1.1
    copied = ruler.measure(Drawer(ruler.train), 600, thorough=True)
    assert copied.copying.ratio < 0.1 and copied.copying.share > 0.9


def test_a_report_says_what_measured_what_against_what(ruler):
    report = ruler.measure(Drawer(cornered(500, 3)), 300)
    assert (report.ruler, report.real, report.count) == ("corners-v1", "1,000 test images of corners", 300)
    assert ruler.words == "corners-v1, against the 1,000 test images of corners"
    figures = report.figures()
    wanted = ["corners_fd", "precision", "recall", "density", "coverage", "classes_met", "class_kl", "class_shift"]
    assert list(figures) == wanted and all(isinstance(value, float) for value in figures.values())
    assert report.words.startswith("corners FD ") and report.words.endswith(", 4 of 4 classes")


def test_the_same_seed_measures_the_same_and_leaves_everything_as_it_was(ruler):
    generator = Drawer(cornered(500, 3)).train()
    before = torch.random.get_rng_state()
    first = ruler.measure(generator, 300, seed=5)
    assert ruler.measure(generator, 300, seed=5) == first != ruler.measure(generator, 300, seed=6)
    assert generator.training and generator.here.requires_grad
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_conditional_generator_is_asked_for_classes_as_the_data_has_them(ruler):
    report = ruler.measure(Drawer(cornered(2000, 3), num_classes=4), 900)
    assert report.label_accuracy == 1.0 and report.modes.moved < 0.06
    shuffled = cornered(2000, 3)
    shuffled = Images(shuffled.images, (shuffled.labels + 1) % 4, shuffled.class_names)
    assert ruler.measure(Drawer(shuffled, num_classes=4), 900).label_accuracy == 0.0
    with pytest.raises(UserError, match="the generator draws 7 classes, the data has 4"):
        ruler.measure(Drawer(shuffled, num_classes=7), 900)


def test_images_from_elsewhere_are_measured_too_and_must_be_of_the_size(ruler):
    images = cornered(800, 4).images
    assert ruler.measure_images(images) == ruler.measure_images(to_float(images))
    with pytest.raises(UserError, match="the generated images are 1 x 9 x 9, the real ones 1 x 8 x 8"):
        ruler.measure_images(torch.zeros(800, 1, 9, 9))


def test_where_few_are_held_out_it_measures_against_those_that_were_trained_on(tmp_path):
    few = tiny_ruler(tmp_path, test=30)
    assert few.real == "1,500 training images of corners" and few.floor() is None
    report = few.measure(Drawer(cornered(500, 3)), 300, thorough=True)
    assert report.copying.ratio == pytest.approx(1, abs=0.4)  # for that, 30 are enough
    none = Ruler(Corners(), cornered(50, 1), None, root=tmp_path)
    assert none.measure(Drawer(cornered(50, 3)), 30, thorough=True).copying is None


def test_features_of_real_images_are_kept_and_made_again_where_they_are_damaged(tmp_path, monkeypatch):
    floor = tiny_ruler(tmp_path).floor(300)
    files = sorted((tmp_path / "features").iterdir())
    assert len(files) == 2 and all(file.suffix == ".safetensors" for file in files)
    with monkeypatch.context() as patched:
        patched.setattr(Corners, "features", lambda *_: pytest.fail("looked again"))
        assert tiny_ruler(tmp_path).floor(300) == floor
    for file in files:
        file.write_bytes(file.read_bytes()[:50])
    assert tiny_ruler(tmp_path).floor(300) == floor
    blocked = tmp_path / "file"
    blocked.write_text("no folder can be made here")
    assert tiny_ruler(blocked / "below").floor(300) == floor  # a cache is not needed


def test_a_choice_of_rows_is_always_the_same_in_order_and_by_chance():
    assert some(10, 20).tolist() == list(range(10))
    rows = some(1000, 400)
    assert torch.equal(rows, some(1000, 400)) and (rows.diff() > 0).all()
    assert 150 < (rows < 500).sum() < 250 and 150 < (rows % 2).sum() < 250


def test_the_shipped_judge_is_the_ruler_of_mnist(tmp_path):
    ruler = Ruler.of(DataConfig(root=str(tmp_path)))
    assert ruler.words == (
        "judge-v1 of mnist (the judge has 99.55 % of 10,000 held-out images right), against the 10,000 test images of"
        " mnist"
    )
    few, judge = ruler.test.images[:256], ruler.extractor
    features = judge.features(few)
    assert features.dtype == torch.float32 and features.shape == (256, judge.size) == (256, 96)
    assert (judge.probabilities(features).argmax(1) == ruler.test.labels[:256]).float().mean() > 0.98
    with torch.autocast("cpu", torch.bfloat16):  # whatever training computes in
        assert torch.equal(judge.features(few), features)


def test_stacked_digits_are_judged_channel_by_channel(digits):
    images, labels = digits
    judge = JudgeFeatures(trained_judge(DataConfig()), "the judge", channels=3)
    assert (judge.size, judge.classes, judge.name) == (288, 1000, "the judge")
    stacked = torch.cat([images[:100], images[100:200], images[200:300]], 1)
    numbers = labels[:100] * 100 + labels[100:200] * 10 + labels[200:300]
    probabilities = judge.probabilities(judge.features(to_uint8(stacked)))
    assert (probabilities.argmax(1) == numbers).float().mean() > 0.95
    assert torch.allclose(probabilities.sum(1), torch.ones(100), atol=1e-4)
    assert judge.digest != JudgeFeatures(trained_judge(DataConfig()), "the judge").digest


def test_two_processes_share_the_looking_and_see_what_one_sees(ruler):
    """Each looks at its rows alone, in the same blocks."""
    images, extractor = cornered(700, 3).images, Corners()
    alone = features_of(extractor, 700, images.__getitem__, Processes())
    seen = []
    for index in (0, 1):
        one = Processes()
        one.count, one.index = 2, index
        one.gather = lambda rows: rows
        seen.append(features_of(extractor, 700, images.__getitem__, one))
    assert [len(rows) for rows in seen] == [256, 444] and torch.equal(torch.cat(seen), alone)


@pytest.mark.parametrize("kind", ["auto", "inception"])
def test_where_inception_cannot_be_had_one_line_says_what_to_do(kind, monkeypatch):
    def unreachable(address, **_):
        raise OSError("no\nnetwork")

    package, home = ModuleType("torch_fidelity"), ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    home.URL_INCEPTION_V3, package.feature_extractor_inceptionv3 = "somewhere/weights.pth", home
    monkeypatch.setitem(sys.modules, "torch_fidelity", package)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    unlabelled = Images(cornered(5, 1).images, None)
    with pytest.raises(MissingFile, match=r"inception cannot be had \(no network\): put weights.pth, .* ruler judge"):
        extractor_for(DataConfig("folder"), unlabelled, kind)
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(MissingFile, match=r"pip install 'fooling-gan\[inception\]'.* ruler judge"):
        extractor_for(DataConfig("folder"), unlabelled, kind)
    with pytest.raises(UserError, match="a judge needs labels, and folder has none: choose ruler inception"):
        extractor_for(DataConfig("folder"), unlabelled, "judge")


def test_images_that_are_too_few_are_told_so_before_anything_is_trained(monkeypatch):
    few = cornered(4, 1)
    monkeypatch.setattr(module, "extractor_for", lambda *_: Corners())
    monkeypatch.setattr(module, "held_out", lambda _: None)
    with pytest.raises(UserError, match="4 training images of mnist are too few to measure by: corners-v1 has 4 feat"):
        Ruler.of(DataConfig(), train=few)
    assert Ruler.of(DataConfig(), train=cornered(9, 1)).real == "9 training images of mnist"


def test_settings_that_measure_nothing_are_refused():
    with pytest.raises(UserError, match=r"metrics.count must be above 0"):
        MetricsConfig(count=0)
    with pytest.raises(UserError, match=r"metrics.kimg must be at least 0"):
        MetricsConfig(kimg=-1)
