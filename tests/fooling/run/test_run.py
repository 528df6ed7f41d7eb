"""A run leaves its host process as it found it, follows another in it, computes as it began, and stops when asked."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from conftest import ROOT

from fooling.errors import Stopped, UserError
from fooling.run import computing
from fooling.run.checkpoints import fingerprint, list_checkpoints, load_checkpoint, on_cpu, save_checkpoint
from fooling.run.computing import Precision, computes_in_bf16
from fooling.run.config import RunConfig
from fooling.run.optimizer import new_adam, new_network, update
from fooling.run.processes import Processes
from fooling.run.run import Run
from fooling.run.tracking import Tracker, WandbConfig


class Line:
    """The smallest training: a line through points."""

    def __init__(self, run: Run, *, each_step=lambda: None, finish=lambda: None):
        self.run, self.each_step, self.end = run, each_step, finish
        self.network = new_network(lambda: torch.nn.Linear(1, 1), 0, run.device)
        self.optimizer = new_adam(self.network, 0.1)
        self.state = {"network": self.network, "optimizer": self.optimizer}

    def step(self):
        self.each_step()
        x = torch.rand(8, 1, generator=torch.Generator().manual_seed(self.run.images_seen))
        loss = (self.network(x) - 3 * x).square().mean()
        scaler = self.run.scaler("network")
        scaler.scale(loss).backward()
        return {"loss": loss, "gradient_norm": update(self.optimizer, 0.1, self.run.processes, scaler)}

    def publish(self):
        (self.run.folder / "product").write_text(f"at {self.run.images_seen}")

    def finish(self):
        self.end()
        (self.run.folder / "product").write_text("done")


def cut():
    raise RuntimeError


def config(folder, **settings):
    settings = {"log_kimg": 0.08, "checkpoint_kimg": 0.08, "wandb": WandbConfig(mode="disabled"), **settings}
    return RunConfig(output=str(folder), **settings)


def train(folder, *, kimg=0.4, steps=None, settings=None, **line):
    with Run(config(folder, **(settings or {})), total_images=round(1000 * kimg), product="product") as run:
        training = Line(run, **line)
        for _ in run.steps(training, batch_size=8, on="points"):
            if steps is not None:
                steps(run)
    return run, training


def host_state():
    return {
        "threads": torch.get_num_threads(),
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "flags": [
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32,
        ],
        "environment": dict(os.environ),
    }


@pytest.fixture
def odd_host(tmp_path):
    """A host with settings of its own."""
    train(tmp_path / "first")  # torch keeps a variable of its own in the environment from its first optimiser on
    before = host_state()
    torch.set_num_threads(3)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = False, True
    torch.backends.cuda.matmul.allow_tf32 = True
    signal.signal(signal.SIGTERM, odd_handler)
    yield
    torch.set_num_threads(before["threads"])
    signal.signal(signal.SIGTERM, before["handlers"][1])
    torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = before["flags"][:2]
    torch.backends.cuda.matmul.allow_tf32 = before["flags"][2]


def odd_handler(number, frame):
    pass


class TestTheHost:
    def test_it_is_left_as_it_was_found(self, tmp_path, odd_host):
        before, within = host_state(), []
        train(tmp_path / "run", settings={"threads": 1}, steps=lambda run: within.append(host_state()))
        assert host_state() == before
        assert within[0]["threads"] == 1 and within[0]["handlers"] != before["handlers"]
        assert within[0]["flags"][0] is True

    def test_also_after_an_error(self, tmp_path, odd_host):
        before = host_state()

        def fail():
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            train(tmp_path / "run", each_step=fail)
        assert host_state() == before
        train(tmp_path / "run")  # the folder was let go of

    def test_also_where_it_uses_the_newer_settings_of_torch(self, tmp_path):
        if not hasattr(torch.backends.cudnn, "conv"):
            pytest.skip("an older torch")
        code = f"""if True:
            import sys; sys.path[:0] = {[str(ROOT / "tests"), str(ROOT / "tests" / "fooling" / "run")]!r}
            import torch
            settings = torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul
            settings[0].fp32_precision = "ieee"
            before = [each.fp32_precision for each in settings]
            from test_run import train
            train({str(tmp_path / "run")!r}, settings={{"mixed_precision": "bf16"}})
            assert [each.fp32_precision for each in settings] == before, before
        """
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_runs_of_any_precision_follow_each_other(self, tmp_path):
        for number, precision in enumerate(("no", "bf16", "auto", "no")):
            run, _ = train(tmp_path / str(number), settings={"mixed_precision": precision})
            assert precision in ("auto", run.precision.name)
            assert (run.folder / "product").exists()

    def test_a_run_lives_in_a_thread(self, tmp_path):
        problems = []

        def live():
            try:
                train(tmp_path / "run")
            except BaseException as problem:
                problems.append(problem)

        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        thread = threading.Thread(target=live)
        thread.start()
        thread.join()
        assert problems == [] and (tmp_path / "run" / "product").exists()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
        train(tmp_path / "run")  # which finds it complete, and its lock free


class TestPrecision:
    def test_it_is_the_devices_own(self, monkeypatch):
        """A GPU on the machine says nothing of the arithmetic of its processor."""
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
        for processor in (True, False):
            monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda p=processor: p)
            monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
            assert computes_in_bf16("cpu") is processor
            assert Precision.of("auto", torch.device("cpu")).is_bf16 is processor
        assert computes_in_bf16("cuda")

    def test_the_choice_is_said_with_its_reason(self, tmp_path, capsys, monkeypatch):
        monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
        train(tmp_path / "auto")
        said = capsys.readouterr().out
        if computes_in_bf16("cpu"):
            assert "in bf16 (which this processor has arithmetic for)" in said
        else:
            assert "in float32 (for this processor has no arithmetic for bf16)" in said
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
        train(tmp_path / "told")
        assert "in bf16 (as accelerate was told)" in capsys.readouterr().out

    def test_one_that_is_not_supported_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp8")
        with pytest.raises(UserError, match="fp8 is not supported: expected no, bf16 or fp16"):
            train(tmp_path / "run")

    def test_what_it_came_to_is_kept_and_a_resumed_run_computes_as_it_began(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
        threads = set()
        train(tmp_path / "run", kimg=0.2, steps=lambda run: threads.add(torch.get_num_threads()))
        resolved = json.loads((tmp_path / "run" / "resolved.json").read_text())
        assert resolved["mixed_precision"] == "bf16"
        assert threads <= {1, resolved["threads"]}  # 1 on a busy machine, for as long as it is
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
        monkeypatch.setattr(computing, "computes_in_bf16", lambda device: False)
        run, _ = train(tmp_path / "run")  # a longer one
        assert run.precision.is_bf16 and "in bf16 (as this run began)" in capsys.readouterr().out

    def test_in_float16_the_gradients_are_scaled_and_checkpoints_know_by_how_much(self, tmp_path):
        """A GPU without bf16, such as a T4, computes so; the processor can too."""
        settings = {"mixed_precision": "fp16"}
        scales = []

        def halved(run):  # as after an overflow, which comes 8 steps before a checkpoint
            if run.images_seen == 160:
                run.scaler("network").update(run.scaler("network").get_scale() / 2)
            scales.append(run.scaler("network").get_scale())

        whole, _ = train(tmp_path / "whole", settings=settings, steps=halved)
        assert scales[0] == 65536 and scales[-1] == 32768 and str(whole.precision) == "fp16"
        with pytest.raises(RuntimeError):
            train(tmp_path / "cut", settings=settings, steps=lambda run: halved(run) or run.images_seen < 250 or cut())
        train(tmp_path / "cut", settings=settings)
        states = [load_checkpoint(list_checkpoints(tmp_path / name / "checkpoints")[0]) for name in ("whole", "cut")]
        assert states[0]["gradient_scales"] == states[1]["gradient_scales"]
        assert torch.equal(states[0]["network"]["weight"], states[1]["network"]["weight"])

    def test_a_step_that_overflows_float16_is_left_out_and_the_next_is_scaled_less(self, tmp_path):
        network = torch.nn.Linear(1, 1)
        optimizer, scaler = new_adam(network, 0.1), Precision("fp16", "asked", torch.device("cpu")).scaler()
        before = network.weight.clone()
        scaler.scale(network(torch.full((1, 1), 3e38)).sum()).backward()
        assert update(optimizer, 0.1, scaler=scaler) == 0 and torch.equal(network.weight, before)
        assert scaler.get_scale() == 32768
        scaler.scale(network(torch.ones(1, 1)).sum()).backward()
        assert update(optimizer, 0.1, scaler=scaler) == pytest.approx(2**0.5)  # as if nothing had been scaled
        assert not torch.equal(network.weight, before)

    def test_a_folder_that_does_not_say_is_resumed_too(self, tmp_path):
        file = tmp_path / "run" / "resolved.json"
        for number, text in enumerate((None, "{", "[]", '{"threads": "many", "mixed_precision": 3}')):
            if file.exists():
                file.unlink()
                train(tmp_path / "run", kimg=0.1 * number)
                assert not file.exists()  # in a complete run nothing is written
            if text is not None:
                file.write_text(text)
            run, _ = train(tmp_path / "run", kimg=0.1 * (number + 1))
            assert run.images_seen >= 100 * (number + 1) and json.loads(file.read_text())["mixed_precision"]


class TestBeingAskedToStop:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_first_time_it_saves_and_stops(self, tmp_path, number):
        with pytest.raises(Stopped, match="stopped and saved at") as stopped:
            train(tmp_path / "run", steps=lambda run: run.images_seen == 40 and signal.raise_signal(number))
        assert stopped.value.exit_code == 128 + number
        assert list_checkpoints(tmp_path / "run" / "checkpoints")[0].name == f"{40:09d}"

    def test_the_second_time_it_stops_at_once(self, tmp_path):
        """However long what is under way would have taken."""

        def busy(run):
            if run.images_seen == 160:
                signal.raise_signal(signal.SIGINT)
                time.sleep(1.1)
                signal.raise_signal(signal.SIGINT)
                time.sleep(60)

        began = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run", steps=busy)
        assert time.perf_counter() - began < 30
        _, broken = train(tmp_path / "run")
        _, whole = train(tmp_path / "whole")
        assert torch.equal(broken.network.weight, whole.network.weight)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_one_wish_that_arrives_twice_is_one_wish(self, tmp_path, number):
        """Launchers hand on what the process has been sent itself."""

        def busy(run):
            if run.images_seen == 40:
                signal.raise_signal(number)
                signal.raise_signal(number)

        with pytest.raises(Stopped):
            train(tmp_path / "run", steps=busy)
        assert list_checkpoints(tmp_path / "run" / "checkpoints")[0].name == f"{40:09d}"

    def test_programs_do_not_lose_their_patience(self, tmp_path):
        def busy(run):
            if run.images_seen == 40:
                signal.raise_signal(signal.SIGTERM)
                time.sleep(1.1)
                signal.raise_signal(signal.SIGTERM)

        with pytest.raises(Stopped):
            train(tmp_path / "run", steps=busy)

    def test_what_takes_longer_is_said(self, tmp_path, capsys):
        def busy(run):
            if run.images_seen == 40:
                signal.raise_signal(signal.SIGINT)
                time.sleep(1.5)

        with pytest.raises(Stopped):
            train(tmp_path / "run", steps=busy)
        assert "stopping and saving once what is under way is done" in capsys.readouterr().out

    def test_while_it_finishes_it_stops_at_once_and_loses_nothing(self, tmp_path):
        def films():
            signal.raise_signal(signal.SIGINT)
            time.sleep(60)

        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run", finish=films)
        assert (tmp_path / "run" / "product").read_text() != "done"
        run, _ = train(tmp_path / "run")
        assert (run.folder / "product").read_text() == "done" and run.images_seen == 400
        train(tmp_path / "run", finish=films)  # nothing is left to do


class TestWhatItLeavesToOthers:
    def test_a_stopped_run_leaves_what_it_has_come_to(self, tmp_path):
        with pytest.raises(Stopped):
            train(tmp_path / "run", steps=lambda run: run.images_seen == 104 and signal.raise_signal(signal.SIGTERM))
        assert (tmp_path / "run" / "product").read_text() == "at 104"

    def test_so_does_one_that_was_killed_at_its_last_checkpoint(self, tmp_path):
        def killed(run):
            if run.images_seen == 104:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            train(tmp_path / "run", steps=killed)
        assert (tmp_path / "run" / "product").read_text() == "at 80"

    def test_halves_of_files_do_not_outlast_a_kill(self, tmp_path):
        for name in (
            ".partial-generator-x/whole",
            ".partial-a.gif",
            "samples/.partial-b.png",
            "generator/.partial-y/c",
        ):
            (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "run" / name).write_text("half")
        train(tmp_path / "run")
        assert list((tmp_path / "run").rglob(".partial*")) == []


class TestTheLog:
    def test_a_line_has_the_last_of_what_was_noted_for_it(self, tmp_path):
        train(tmp_path / "run", steps=lambda run: run.images_seen % 16 and run.note(rate=run.images_seen / 2))
        lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
        assert [line["rate"] for line in lines] == [line["images_seen"] / 2 - 4 for line in lines]

    def test_a_loss_that_runs_away_is_told_of_once(self, tmp_path, capsys, monkeypatch):
        """Ten steps a line; a jump that is over in the next line is none of it."""
        lines = [1, 100, 1, 1, 100, 300, 1000, 100, 1, 1, 2000]
        losses = iter([float(line) for line in lines for _ in range(10)])
        step = Line.step
        monkeypatch.setattr(Line, "step", lambda self: step(self) | {"loss": torch.tensor(next(losses))})
        train(tmp_path / "run", kimg=0.08 * len(lines))
        told = re.findall("warning: a loss has run away at (.*) kimg, loss (.*): stop, and", capsys.readouterr().out)
        assert told == [("0.48", "300"), ("0.88", "2,000")]

    def test_the_tracker_is_told_too_and_knows_what_the_settings_came_to(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Line, "step", lambda self: {"loss": torch.tensor(600.0)})
        kept, tracker = [], Tracker()
        tracker.alert = lambda title, text: kept.append(title)
        tracker.add_settings = kept.append
        monkeypatch.setattr("fooling.run.run.start_tracker", lambda *_: tracker)
        train(tmp_path / "run", settings={"mixed_precision": "bf16"})
        (known, alert) = kept
        assert alert == "a loss has run away"
        assert known["resolved"]["mixed_precision"] == "bf16" and known["resolved"]["parameters"] == {"network": 2}
        assert re.match(r"fooling-gan \d", known["resolved"]["code"])


class TestOrder:
    def test_the_newest_checkpoint_is_that_of_the_most_images(self, tmp_path):
        """As text, 1000000000 comes before 999000000."""
        for images_seen in (998_000_000, 999_000_000, 1_000_000_000):
            save_checkpoint(tmp_path, images_seen, {"images_seen": images_seen})
        assert [load_checkpoint(c)["images_seen"] for c in list_checkpoints(tmp_path)] == [1_000_000_000, 999_000_000]

    def test_so_are_pictures(self, tmp_path):
        run = Run(config(tmp_path / "run"), total_images=8, product="product")
        (run.folder / "samples").mkdir(parents=True)
        for images_seen in (1_000_000_000, 999_000_000, 64):
            run.images_seen = images_seen
            run.picture_file().write_bytes(b"")
        assert [int(p.stem) for p in run.picture_files()] == [64, 999_000_000, 1_000_000_000]


class TestManyProcesses:
    def test_every_image_is_somebodys(self):
        for count in (1, 2, 3, 7):
            rows = []
            for index in range(count):
                one = Processes()
                one.count, one.index = count, index
                rows += range(10)[one.rows(10)]
            assert rows == list(range(10))

    def test_a_fingerprint_tells_weights_apart(self):
        a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        assert fingerprint({"a": a.state_dict()}) == fingerprint({"a": on_cpu(a.state_dict())})
        assert fingerprint({"a": a.state_dict()}) != fingerprint({"a": b.state_dict()})

    def test_together_they_hear_gather_and_agree(self, commands):
        """What processes tell each other, on two; and two runs after each other, whose weights nobody sends around."""
        (commands.folder / "two.py").write_text(TWO)
        done = commands.run("two", processes=2)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("agreed") == 2

    @pytest.mark.slow
    def test_a_stop_of_one_is_a_stop_of_all(self, commands):
        (commands.folder / "stop.py").write_text(STOP)
        done = commands.run("stop", processes=2)
        assert done.stdout.count("stopped and saved at 0.064 of 4 kimg") == 2, done.stderr


BEGIN = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests")!r}); sys.path.insert(0, {str(ROOT / "tests" / "fooling" / "run")!r})
import signal, torch
import test_run
from test_run import Line, config, train
from fooling import AttackConfig, accuracy, attack_afresh, load, trained_classifier, trained_judge
from fooling.data.load import DataConfig
from fooling.errors import Stopped, UserError
from fooling.run.run import Run
"""
TWO = f"""{BEGIN}
from fooling.run.processes import _patient_group
run = Run(config("first"), total_images=80, product="product")
p = run.processes
assert p.count == 2
rows = torch.arange(p.index, p.index + 2 + p.index)  # two rows, and three
assert p.gather(rows).tolist() == [0, 1, 1, 2, 3]
assert p.tell("ab"[p.index]) == ["a", "b"] and p.hear_main("ab"[p.index]) == "a"
assert p.most(p.index) == 1 and float(p.mean(torch.tensor(float(p.index)))) == 0.5
calls = []
assert p.first_here(lambda: calls.append(1) or len(calls)) == 1
def fail():
    raise UserError("no such data")
try:
    p.first_here(fail)
    raise AssertionError
except UserError as error:
    assert str(error) == "no such data"
groups = (torch.distributed.group.WORLD, _patient_group())
patience = [group._get_backend(p.device).options._timeout for group in groups]
assert [str(each) for each in patience] == ["0:10:00", "6:00:00"]  # for a step, and for who decodes a million images
sent = []
hear_main = type(p).hear_main
type(p).hear_main = lambda self, value: sent.append(value) or hear_main(self, value)
for name in ("one", "two"):
    run, line = train(name, kimg=0.08)
    assert p.gather(line.network.weight.detach()).unique().numel() == 1
def is_small(value):
    return value in (None, True, False, {{}}) or "mixed_precision" in value
assert all(map(is_small, sent)), sent  # no weights
for kimg in (0.08, 0.16, 0.16):  # made, gone on with, complete
    run, line = train("resumed", kimg=kimg)
    assert run.images_seen == 1000 * kimg and p.gather(line.network.weight.detach()).unique().numel() == 1
whole, uninterrupted = train("whole", kimg=0.16)
assert torch.equal(line.network.weight, uninterrupted.network.weight)
new_network = test_run.new_network
test_run.new_network = lambda make, seed, device: new_network(make, seed + p.index, device)
run, line = train("different", kimg=0.016)  # weights that differ for whatever reason: the main process's count
assert p.gather(line.network.weight.detach()).unique().numel() == 1
judge, few = trained_judge(DataConfig()), load("mnist", "test")
few = type(few)(few.images[:101], few.labels[:101], few.class_names)
assert accuracy(judge, few, p) == accuracy(judge, few)
together, alone = (
    attack_afresh(trained_classifier(), AttackConfig(count=5), seed=0, processes=each) for each in (p, None)
)
assert together.steps.tolist() == alone.steps.tolist() and torch.equal(together.success, alone.success)
torch.testing.assert_close(together.images, alone.images)
print("agreed")
"""
STOP = f"""{BEGIN}
def ask(run):
    if run.processes.index == 1 and run.images_seen == 24:
        signal.raise_signal(signal.SIGTERM)
try:
    train("run", kimg=4, steps=ask)
except Stopped as stopped:
    print(stopped)
"""
