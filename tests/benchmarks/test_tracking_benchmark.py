"""Synthetic truth on a few pictures: what is rendered is found again, as far as it is today."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import synthetic_truth as synthetic
from benchmarks.footage import default_portrait
from benchmarks.quality import mean_row, rounded
from models import rotation
from models.errors import UserError


@pytest.fixture(scope="module")
def bench() -> synthetic.Bench:
    try:
        return synthetic.Bench(default_portrait())
    except (FileNotFoundError, UserError) as error:
        pytest.skip(f"assets are not obtainable: {error}")


@pytest.fixture(scope="module")
def vertices() -> synthetic.Vertices:
    try:
        return synthetic.Vertices(default_portrait())
    except (FileNotFoundError, UserError) as error:
        pytest.skip(f"assets are not obtainable: {error}")


def test_exact_vertices_give_the_turn_back(vertices: synthetic.Vertices) -> None:
    rows = synthetic.poses(vertices, [(25, 0, 0), (0, -20, 0), (0, 0, 20), (-15, 10, 12)])
    assert max(row["error_deg"] for row in rows) < 0.1


def test_exact_vertices_give_rising_ramps(vertices: synthetic.Vertices) -> None:
    assert all(synthetic.rises(values) for values in synthetic.ramps(vertices, 6).values())


def test_the_rendered_photo_at_rest_is_found_at_rest(bench: synthetic.Bench) -> None:
    found = bench.see(bench.rest.params)
    turned = rotation.log(rotation.multiply(found.rotation, rotation.inverse(bench.zero.rotation)))
    assert np.degrees(np.linalg.norm(turned)) < 0.5
    assert np.abs(bench.change(found)).mean() < 0.01


def test_rendered_roll_and_pitch_are_found(bench: synthetic.Bench) -> None:
    rows = synthetic.poses(bench, [(0, 0, 20), (0, 0, -20), (0, 10, 0), (0, -10, 0)])
    assert max(row["error_deg"] for row in rows) < 2


@pytest.mark.xfail(reason="a rendered turn is seen up to a fifth too small: the picture, not the fit (see fit_alone)")
def test_rendered_yaw_and_far_pitch_are_found(bench: synthetic.Bench) -> None:
    assert (
        max(row["error_deg"] for row in synthetic.poses(bench, [(25, 0, 0), (-25, 0, 0), (0, 20, 0), (0, -20, 0)])) < 2
    )


def test_a_turn_is_told_nearer_to_the_truth_than_it_was_read(bench: synthetic.Bench) -> None:
    rows = synthetic.poses(bench, [(25, 0, 0), (-25, 0, 0), (0, 20, 0), (0, -20, 0), (15, 10, 0), (-15, -10, 0)])
    read, told = (np.array([row[key] for row in rows]) for key in ("error_deg", "told_deg"))
    assert told.mean() < 0.9 * read.mean()
    assert told.max() < min(4.0, read.max())


def test_rendered_jaw_and_smile_rise(bench: synthetic.Bench) -> None:
    found = synthetic.ramps(bench, 6)
    assert synthetic.rises(found["jawOpen"])
    assert synthetic.rises(found["smile"])


def test_a_unit_is_reported_beside_what_finding_nothing_scores(vertices: synthetic.Vertices) -> None:
    (row,) = synthetic.units(vertices, ["jawOpen"], [0.6])
    assert row["mae_of_nothing"] == pytest.approx(row["asked"] / 52, abs=1e-3)
    assert row["shape_error"] < 0.5


def test_rises() -> None:
    assert synthetic.rises([0, 0.2, 0.19, 0.4])
    assert not synthetic.rises([0, 0.3, 0.2, 0.4])
    assert not synthetic.rises([0, 0.1, 0.2])


def test_turn_directions() -> None:
    nose = np.array([0.0, 0.0, -1.0])  # towards the camera; x right, y down
    assert (rotation.matrix(synthetic.turn(20, 0, 0)) @ nose)[0] > 0.3
    assert (rotation.matrix(synthetic.turn(0, 20, 0)) @ nose)[1] > 0.3
    assert (rotation.matrix(synthetic.turn(0, 0, 20)) @ np.array([1.0, 0.0, 0.0]))[1] > 0.3


def test_means_leave_out_what_is_missing() -> None:
    assert mean_row([{"a": 1.0, "b": None}, {"a": 2.0, "b": None}]) == {"a": 1.5, "b": None}
    assert rounded(float("nan")) is None
