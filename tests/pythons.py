"""The package as its users get it: built, installed and run outside the checkout, on several Pythons.

    pip install uv
    python tests/pythons.py 3.10:oldest 3.11 3.12 3.13 3.13:sdist

Each row is an environment of its own: the wheel, or the sdist, with the newest dependencies or the oldest that
pyproject.toml admits. Each trains, fools, saves and loads. Takes minutes each, mostly of installing; 6 GB at a time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tomllib

ROOT = Path(__file__).parent.parent
PYTHON = """
import sys, torch, fooling, gan
from pathlib import Path
assert not Path(fooling.__file__).is_relative_to(sys.argv[1]), "this is the checkout"
generator = gan.Generator.from_pretrained("runs/debug/generator")
assert generator.sample(2).shape == (2, 1, 28, 28)
assert fooling.load_classifier("lenet")(torch.rand(2, 1, 28, 28)).shape == (2, 10)
print("torch", torch.__version__)
"""
COMMANDS = [
    ["fooling", "--help"],
    ["gan", "train", "--config", "debug"],
    ["gan", "sample", "runs/debug", "--out", "sheet.png"],
    ["fooling", "trick", "--model", "lenet", "--target", "3", "--output", "trick", "--wandb.mode", "offline"],
    ["fooling", "train", "--kimg", "1", "--output", "runs/classifier", "--wandb.mode", "disabled"],
    ["fooling", "harden", "--config", "harden", "--kimg", "0.2", "--evaluate_kimg", "0.2", "--output", "runs/harden"],
    ["fooling", "audit", "lenet", "--output", "audit", "--wandb.mode", "disabled"],
]


def run(*command: str | Path, folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}:\n{done.stdout[-3000:]}")
    return done.stdout


def check(python: str, how: str, dist: Path) -> str:
    """Install and run it; gives what it ran with."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        run("uv", "venv", "--quiet", "--python", python, "env", folder=place)
        package = next(dist.glob("*.tar.gz" if how == "sdist" else "*.whl"))
        # Named beside the package its dependencies are direct ones, whose oldest are taken; what they need is not ours.
        stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
        oldest = ["--resolution", "lowest-direct", *stated] if how == "oldest" else []
        run("uv", "pip", "install", "--python", "env", package, *oldest, folder=place)
        programs, work = place / "env" / "bin", place / "work"
        work.mkdir()
        keep = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        # One thread, as in the tests: the audit takes minutes where two wait for each other beside other work.
        environment = {**keep, "HOME": temporary, "PATH": f"{programs}:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
        for command in COMMANDS:
            run(programs / command[0], *command[1:], folder=work, environment=environment)
        return run(programs / "python", "-W", "error", "-c", PYTHON, ROOT, folder=work, environment=environment).strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", help="a Python's version, and :oldest or :sdist")
    asked = [what.partition(":") for what in parser.parse_args().what]
    failed = False
    with tempfile.TemporaryDirectory() as dist:
        run("uv", "build", "--quiet", "--out-dir", dist, folder=ROOT)  # the sdist, and the wheel from the sdist
        for python, _, how in asked:
            started = time.perf_counter()
            try:
                said = check(python, how, Path(dist))
            except RuntimeError as error:
                failed, said = True, f"FAILED: {error}"
            print(f"Python {python} {how or 'newest'}: {said} ({time.perf_counter() - started:.0f} s)", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
