"""gan neighbours: the further away, the fewer are the same."""

import numpy as np
import pytest

from gan.latent import draw_latents


def test_the_further_away_the_fewer_are_read_as_the_same(run, results, tmp_path, toy, reader):
    code, said, _ = run("neighbours toy --sample 3 --seed 1 --degrees 90 10 40 --model reader --wandb.mode disabled")
    summary, numbers = results("toy-neighbours")
    assert code == 0 and summary["degrees"] == [10, 40, 90]
    near, between, far = summary["read_as_the_same"]
    assert near > between > far and near > 0.9 and 0.3 < far < 0.7  # at 90 degrees it is a matter of chance
    latent = draw_latents(4, 8, seed=1)[3]
    assert np.array_equal(numbers["latent"], latent)
    light = "light" if latent[0] > 0 else "dark"
    assert summary["read_as"] == light and said.startswith(f"Sample 3 is a {light}, and of 200 neighbours")
    assert (tmp_path / "runs/toy-neighbours/neighbours.png").stat().st_size > 5000


def test_without_anything_that_reads_them_they_are_drawn(run, results, toy):
    code, said, _ = run("neighbours toy --count 3 --wandb.mode disabled")
    assert code == 0 and said.startswith("not read: what this generator learned from is not known")
    assert "Neighbours of sample 0, 10° 20° 30° 45° 60° 90° away" in said
    assert results("toy-neighbours")[1]["towards"].shape == (3, 8)


def test_of_a_generator_with_classes_they_keep_the_class(run, results, toy_of_classes):
    assert run("neighbours classes --sample 2 --count 3 --wandb.mode disabled")[0] == 0
    assert np.allclose(results("classes-neighbours")[1]["image"][0, :4], 1 / (1 + np.exp(-1)))  # of class 2


@pytest.mark.parametrize("degrees", ["0", "190", ""])
def test_angles_that_are_none_are_refused(run, tmp_path, toy, degrees):
    code, _, complaint = run(f"neighbours toy --degrees {degrees}")
    assert code == 2 and "degrees" in complaint and sorted(p.name for p in tmp_path.iterdir()) == ["toy"]
