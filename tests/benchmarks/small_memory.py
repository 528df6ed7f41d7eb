"""A folder of images that is larger than the memory there is: how fast it is read for the first time and from then on.

    sudo python tests/benchmarks/small_memory.py [--images 40000] [--memory_mb 1000]

A process is given so much memory (a cgroup of Linux, which root makes; it counts what the kernel keeps of files, too)
and reads a folder of JPEGs at 128 pixels, 49 kB each when decoded: first all of them, and then shuffled batches, as a
training takes them: asked of the disk at once, as ours are, and one after the other, in turns. The same with all of the
machine's memory stands beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from data import draw
from reference import BATCH

import fooling.data.batches
from fooling import cli
from fooling.data.batches import Batches
from fooling.data.load import load
from fooling.errors import UserError

SIZE, DRAWN = 128, 2000  # pixels of a side; files, of which the others are hard links


def main(images: int = 40_000, memory_mb: int = 1000, batches: int = 40, read: Path | None = None) -> None:
    """Print images per second, with so little memory and with all of it.

    Args:
        images: Files in the folder.
        memory_mb: What the process may have.
        batches: Batches of 128 in a turn.
        read: A folder to read, in this process and no other; the script tells itself so.
    """
    if read is not None:
        return _read(read, batches)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "all", "one")
        draw(folder, min(images, DRAWN))
        for number in range(DRAWN, images):
            os.link(folder / f"{number % DRAWN:06d}.jpg", folder / f"{number:06d}.jpg")
        print(f"{images:,} images, {images * 3 * SIZE**2 / 2**20:,.0f} MB when decoded")
        for limit in (memory_mb, None):
            print(f"with {limit} MB of memory" if limit else "with all of the memory", flush=True)
            command = [sys.executable, __file__, "--read", place, "--batches", str(batches)]
            group = None if limit is None else _limited(limit)
            with tempfile.TemporaryDirectory() as cache:
                environment = {**os.environ, "FOOLING_CACHE": cache}
                subprocess.run(command, check=True, env=environment, preexec_fn=group and partial(_join, group))
            if group is not None:
                group.rmdir()


def _join(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _limited(memory_mb: int) -> Path:
    """A new cgroup, of either version, with so much memory."""
    old = Path("/sys/fs/cgroup/memory")
    group, file = (old, "memory.limit_in_bytes") if old.is_dir() else (Path("/sys/fs/cgroup"), "memory.max")
    try:
        (group / "fooling-small-memory").mkdir(exist_ok=True)
        (group / "fooling-small-memory" / file).write_text(str(memory_mb * 2**20))
    except OSError as error:
        raise UserError(f"only root may limit memory, on Linux: {error}") from error
    return group / "fooling-small-memory"


def _read(place: Path, batches: int) -> None:
    for start in ("first", "second"):
        began = time.perf_counter()
        data = load("folder", folder=str(place / "all"), image_size=SIZE)
        seconds = time.perf_counter() - began
        print(f"  {start} start: {seconds:.1f} s, {len(data) / seconds:,.0f} images/s", flush=True)
    stream, seen, asked = Batches(data), 0, fooling.data.batches.ask_for
    for turn in range(3):
        for how, ask in (("asked for at once", asked), ("one after the other", lambda *_: None)):
            fooling.data.batches.ask_for, began = ask, time.perf_counter()
            for _ in range(batches):
                stream.take(seen, BATCH)
                seen += BATCH
            speed = batches * BATCH / (time.perf_counter() - began)
            print(f"  shuffled batches, {how}: {speed:,.0f} images/s" + f" (turn {turn + 1})", flush=True)


if __name__ == "__main__":
    sys.exit(cli.run(main))
