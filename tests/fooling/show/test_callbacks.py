"""ConfusedImages is right where the known ConfusedLogitCallback is wrong; each of its defects has a test here."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import fooling.show.callbacks
from fooling.errors import UserError
from fooling.show.callbacks import ConfusedImages, to_folder, to_tensorboard, to_wandb


def network(channels=1):
    """Trains with batch statistics and dropout, so that training and evaluation mode disagree about every image."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 64, 3)
    )


def batch(channels=1, n=8):
    return torch.rand(n, channels, 10, 10, generator=torch.Generator().manual_seed(1))


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.events = []

    def __call__(self, pictures, step):
        self.events.append((dict(pictures), step))


def watching(*sinks, **options):
    return ConfusedImages(*sinks or [Kept()], **{"every": 1, "min_pair": 0.0, "max_gap": 99.0, "count": 3, **options})


def test_each_image_has_its_own_gradient():
    model, images = network(), batch()
    found = watching()(model, images, 0)
    model.eval()
    for i, index in enumerate(found.indices.tolist()):
        image = images[index : index + 1].clone().requires_grad_()
        for j, k in enumerate(found.nudges.gradients.classes[i].tolist()):
            (alone,) = torch.autograd.grad(model(image)[0, k], image)
            torch.testing.assert_close(found.nudges.gradients.maps[i, j], alone[0])


def test_nothing_leaks_into_the_parameters_gradients():
    model = network()
    watching()(model, batch(), 0)
    assert all(p.grad is None for p in model.parameters())
    model(batch()).sum().backward()
    before = [p.grad.clone() for p in model.parameters()]
    watching()(model, batch(), 0)
    assert all(torch.equal(p.grad, b) for p, b in zip(model.parameters(), before, strict=True))


def test_logits_gradients_and_moved_images_are_of_one_mode():
    model, images = network().train(), batch()
    model[1].running_mean += 0.5  # so that the two modes rank the images differently
    found = watching()(model, images, 0)
    with torch.no_grad():
        expected = copy.deepcopy(model).eval()(images[found.indices]).softmax(1)
        moved = copy.deepcopy(model).eval()(found.nudges.moved[:, 0]).softmax(1)
    torch.testing.assert_close(found.nudges.gradients.probabilities, expected)
    torch.testing.assert_close(found.nudges.probabilities[:, 0], moved)
    assert torch.equal(found.nudges.gradients.classes, expected.topk(2, 1).indices)


def test_every_submodule_gets_its_own_mode_back_also_after_an_error():
    model = network().train()
    model[1].eval()
    modes = [m.training for m in model.modules()]
    watching()(model, batch(), 0)
    assert [m.training for m in model.modules()] == modes
    with pytest.raises(RuntimeError):
        watching()(model, batch(channels=3), 0)
    assert [m.training for m in model.modules()] == modes


def train(watch):
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    torch.manual_seed(5)
    for step in range(6):
        images = torch.rand(8, 1, 10, 10)
        loss = nn.functional.cross_entropy(model(images), torch.randint(0, 3, (8,)))
        if watch:
            watch(model, images, step)  # between forward and backward, where it could do most harm
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.state_dict()


def test_training_with_the_callback_is_training_without_it():
    with_it, without = train(watching()), train(None)
    assert all(torch.equal(with_it[k], without[k]) for k in without)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_images_come_out_as_they_are(channels):
    kept = Kept()
    images = batch(channels)
    found = watching(kept)(network(channels), images, 0)
    picture = kept.events[0][0]["confused/0"]
    for colour in images[found.indices[0]].flatten(1).mul(255).round().T[::17].expand(-1, 3):
        assert (np.abs(picture - colour.numpy()).max(-1) <= 1).any()


def test_every_picture_has_a_tag_and_step_of_its_own():
    kept = Kept()
    watch = watching(kept, every=10)
    for step in range(25):
        watch(network(), batch(), step)
    assert [step for _, step in kept.events] == [0, 10, 20]
    assert all(list(pictures) == ["confused/0", "confused/1", "confused/2"] for pictures, _ in kept.events)
    first = kept.events[0][0]
    assert not np.array_equal(first["confused/0"], first["confused/1"])
    for picture in first.values():
        assert picture.dtype == np.uint8 and picture.shape[2] == 3 and picture.std() > 20


def test_a_batch_without_confused_images_logs_nothing():
    kept = Kept()
    assert watching(kept, max_gap=0.0)(network(), batch(), 0) is None
    assert kept.events == []


def test_a_folder_gets_one_file_for_each_tag_and_step(tmp_path):
    watch = watching(to_folder(tmp_path), count=2)
    for step in (0, 1):
        watch(network(), batch(), step)
    files = sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*.png"))
    assert files == [f"confused/{rank}/{step:08d}.png" for rank in (0, 1) for step in (0, 1)]
    with Image.open(tmp_path / files[0]) as picture:
        assert picture.mode == "RGB" and picture.width > 5 * 100


def test_models_in_half_precision_and_compiled_ones_are_asked_as_they_are():
    model = network().to(torch.bfloat16)
    found = watching()(model, batch().to(torch.bfloat16), 0)
    again = watching()(torch.compile(model, backend="eager"), batch().to(torch.bfloat16), 0)
    assert len(found.indices) == 3
    torch.testing.assert_close(found.nudges.gradients.maps, again.nudges.gradients.maps)


def test_several_sinks_get_the_same_pictures():
    one, other = Kept(), Kept()
    watching(one, other)(network(), batch(), 0)
    assert np.array_equal(one.events[0][0]["confused/0"], other.events[0][0]["confused/0"])


def test_tensorboard_gets_pictures_in_its_own_layout():
    calls = []

    class Writer:
        def add_image(self, tag, image, step, dataformats):
            calls.append((tag, image.shape[2], image.dtype, step, dataformats))

    watching(to_tensorboard(Writer()), count=2, every=7)(network(), batch(), 7)
    assert calls == [(f"confused/{rank}", 3, np.uint8, 7, "HWC") for rank in (0, 1)]


def test_wandb_keeps_every_picture_and_the_loops_own_steps(tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path))
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    run = wandb.init(mode="offline", dir=tmp_path, project="test", settings=quiet)
    kept = Kept()
    watch = watching(to_wandb(run), kept, count=1)
    for step in range(3):
        watch(network(), batch() * (1 - 0.2 * step), step)
        if step != 1:  # a loop need not log at every step
            run.log({"loss": 1.0}, step=10 * step)
    run.finish()
    files = sorted(tmp_path.rglob("media/images/confused/*.png"))
    assert len(files) == 3
    written = []
    for file in files:
        with Image.open(file) as picture:
            written.append(np.asarray(picture.convert("RGB")))
    for pictures, _ in kept.events:
        assert any(np.array_equal(pictures["confused/0"], w) for w in written)


def test_a_normalised_batch_is_shown_as_it_was_before():
    model, pictures = network(), batch()
    plain = watching()(model, pictures, 0)
    shifted = nn.Sequential(Affine(0.5, 0.25), model)  # undoes the normalisation, so both are the same classifier
    normalised = watching(mean=0.25, std=0.5)(shifted, (pictures - 0.25) / 0.5, 0)
    torch.testing.assert_close(normalised.nudges.gradients.images, plain.nudges.gradients.images)
    torch.testing.assert_close(normalised.nudges.gradients.maps, plain.nudges.gradients.maps)
    torch.testing.assert_close(normalised.nudges.moved, plain.nudges.moved)


class Affine(nn.Module):
    def __init__(self, scale, shift):
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x):
        return x * self.scale + self.shift


def test_a_normalisation_that_was_not_stated_is_noticed():
    with pytest.raises(UserError, match="mean and std"):
        watching()(network(), batch() * 3 - 1, 0)


class Callback:
    """Lightning's base class has every hook, doing nothing."""

    def on_train_batch_end(self, *args):
        raise AssertionError("ours must come first")

    def on_fit_start(self, *args): ...


class Watch(ConfusedImages, Callback): ...


class Trainer:
    global_step = 0


def test_lightnings_hook_counts_on_from_epoch_to_epoch():
    kept, trainer = Kept(), Trainer()
    watch = Watch(kept, every=5, min_pair=0.0, max_gap=99.0)
    for _ in range(2):
        for index in range(10):
            trainer.global_step += 1
            watch.on_train_batch_end(trainer, network(), None, (batch(), torch.arange(8) % 3), index)
    assert [step for _, step in kept.events] == [0, 5, 10, 15]


@pytest.mark.parametrize("form", [lambda x: x, lambda x: [x], lambda x: (x, torch.arange(8) % 3)])
def test_lightnings_hook_takes_batches_with_and_without_labels(form):
    kept, trainer = Kept(), Trainer()
    trainer.global_step = 1
    Watch(kept, every=5, min_pair=0.0, max_gap=99.0).on_train_batch_end(trainer, network(), None, form(batch()), 0)
    assert len(kept.events) == 1


def test_lightnings_hook_logs_accumulated_batches_once():
    kept, trainer = Kept(), Trainer()
    watch = Watch(kept, every=1, min_pair=0.0, max_gap=99.0)
    for index in range(6):
        trainer.global_step = 1 + index // 3
        watch.on_train_batch_end(trainer, network(), None, [batch()], index)
    assert [step for _, step in kept.events] == [0, 1]


def test_only_the_first_process_logs(monkeypatch):
    monkeypatch.setattr(fooling.show.callbacks.torch.distributed, "is_initialized", lambda: True)
    kept = Kept()
    for rank, events in ((1, 0), (0, 1)):
        monkeypatch.setattr(fooling.show.callbacks.torch.distributed, "get_rank", lambda rank=rank: rank)
        watching(kept)(network(), batch(), 0)
        assert len(kept.events) == events


@pytest.mark.parametrize(
    ("sinks", "options", "message"),
    [([], {}, "place to log"), ([Kept()], {"every": 0}, "every"), ([Kept()], {"count": 0}, "count")],
)
def test_settings_that_make_no_sense_are_refused(sinks, options, message):
    with pytest.raises(UserError, match=message):
        ConfusedImages(*sinks, **options)
