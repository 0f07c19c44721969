"""The committed model file: shapes, frame, symmetry and what its units do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from faces import MODEL, units

from models import lids
from models.face import N_UNITS, UNIT
from models.morphable import (
    EYES,
    FACE_OVAL,
    INNER_LIPS,
    IOD_MM,
    LOWER_INNER_LIP,
    MOUTH_CORNERS,
    N_MESH,
    N_POINTS,
    UPPER_INNER_LIP,
    load_morphable,
)
from models.motion import N_EXPRESSION


def test_shapes_and_numbers() -> None:
    assert MODEL.mean.shape == (N_POINTS, 3)
    assert MODEL.identity.shape[1:] == (N_POINTS, 3)
    assert MODEL.basis.shape == (N_EXPRESSION, N_POINTS, 3)
    for a in (MODEL.mean, MODEL.identity, MODEL.basis, MODEL.rigid):
        assert a.dtype == np.float32
        assert np.isfinite(a).all()
    assert MODEL.triangles.min() >= 0
    assert MODEL.triangles.max() < N_MESH


def test_the_head_frame_is_as_written_down() -> None:
    corner_r, corner_l = MODEL.mean[33], MODEL.mean[263]
    assert np.allclose((corner_r + corner_l) / 2, 0, atol=1.0)
    assert np.linalg.norm(corner_l - corner_r) == pytest.approx(IOD_MM, abs=1.0)
    assert corner_l[0] > 0  # the subject's left lies to the image right
    assert MODEL.mean[152, 1] > 50  # the chin is down
    assert MODEL.mean[4, 2] < MODEL.mean[234, 2]  # the nose is nearer than the ear


def test_mirror_is_an_involution_that_keeps_the_mean() -> None:
    assert (MODEL.mirror[MODEL.mirror] == np.arange(N_POINTS)).all()
    assert np.abs(MODEL.mean[MODEL.mirror] * (-1, 1, 1) - MODEL.mean).max() < 1.0
    assert MODEL.mirror[33] == 263
    assert MODEL.mirror[UPPER_INNER_LIP[0]] == UPPER_INNER_LIP[-1]


@pytest.mark.parametrize("unit", ["mouthSmile", "eyeBlink", "browDown", "browOuterUp", "noseSneer", "mouthFrown"])
def test_left_units_are_the_mirrored_right_units(unit: str) -> None:
    left, right = MODEL.basis[UNIT[f"{unit}Left"]], MODEL.basis[UNIT[f"{unit}Right"]]
    mirrored = right[MODEL.mirror] * (-1, 1, 1)
    assert np.abs(left - mirrored).max() < 0.25 * np.abs(left).max()
    assert np.linalg.norm(left[MODEL.mean[:, 0] > 20]) > np.linalg.norm(left[MODEL.mean[:, 0] < -20])


def test_triangles_leave_eyes_and_mouth_open_and_are_edge_manifold() -> None:
    for loop in (*(e.contour for e in EYES), INNER_LIPS):
        inside = np.isin(MODEL.triangles, loop).all(1)
        assert not inside.any()
    edges = np.sort(
        np.concatenate([MODEL.triangles[:, [0, 1]], MODEL.triangles[:, [1, 2]], MODEL.triangles[:, [2, 0]]])
    )
    unique, count = np.unique(edges, axis=0, return_counts=True)
    assert count.max() == 2
    border = set(unique[count == 1].ravel().tolist())
    wanted = {*FACE_OVAL, *INNER_LIPS, *(i for e in EYES for i in e.contour)}
    assert border == wanted


def test_units_do_what_their_names_say() -> None:
    def head(**values: float) -> np.ndarray:
        return MODEL.mean + MODEL.offsets(units(**values))

    rest = head()
    gap = [rest[j, 1] - rest[i, 1] for i, j in zip(UPPER_INNER_LIP, LOWER_INNER_LIP, strict=True)]
    opened = head(jawOpen=1.0)
    assert (
        max(opened[j, 1] - opened[i, 1] for i, j in zip(UPPER_INNER_LIP, LOWER_INNER_LIP, strict=True)) > max(gap) + 15
    )
    assert opened[152, 1] > rest[152, 1] + 8
    a, b = MOUTH_CORNERS
    smile = head(mouthSmile=1.0)
    assert smile[b, 0] - smile[a, 0] > rest[b, 0] - rest[a, 0] + 4
    assert smile[[a, b], 1].mean() < rest[[a, b], 1].mean()
    assert head(mouthPucker=1.0)[b, 0] - head(mouthPucker=1.0)[a, 0] < rest[b, 0] - rest[a, 0] - 4
    assert head(browInnerUp=1.0)[[107, 336], 1].mean() < rest[[107, 336], 1].mean() - 2
    assert (lids.openness(head(eyeBlink=1.0)) < lids.openness(rest) - 0.1).all()
    assert (lids.openness(head(eyeWide=1.0)) > lids.openness(rest)).all()


def test_offsets_are_linear() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, N_EXPRESSION)).astype(np.float32)
    assert np.allclose(MODEL.offsets(a) + MODEL.offsets(b), MODEL.offsets(a + b), atol=1e-3)
    assert not MODEL.offsets(np.zeros(N_EXPRESSION, np.float32)).any()


def test_a_model_of_another_size_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.npz"
    np.savez(file, units=MODEL.basis[:N_UNITS], learned=MODEL.basis[N_UNITS : N_UNITS + 3])
    with pytest.raises(ValueError, match="expression components"):
        load_morphable(file)
