"""The landmark network in torch: the same numbers as LiteRT, and gradients that move the pixels the right way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("tflite", reason="the train extra is not installed")

from benchmarks.footage import default_portrait, read_still  # noqa: E402
from kernels import paste  # noqa: E402
from models.assets import asset_path  # noqa: E402
from models.landmarks import FaceNetworks, crop_face, roi_from_points  # noqa: E402
from models.morphable import INNER_LIPS, OUTER_LIPS  # noqa: E402
from models.training.measure import measure_still  # noqa: E402
from models.training.networks import window  # noqa: E402
from models.training.reader import Reader  # noqa: E402
from models.training.reading import LIPS, laid, mirror, misreading  # noqa: E402


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(asset_path("face_landmarker.task"))


@pytest.fixture(scope="module")
def seen() -> tuple[np.ndarray, np.ndarray]:
    """The default portrait as the landmark network sees it, and LiteRT's points there."""
    rgb, nets = read_still(default_portrait()), FaceNetworks(asset_path("face_landmarker.task"), 1)
    face = measure_still(nets, rgb)
    assert face is not None
    roi = roi_from_points(face.points)
    crop, back = crop_face(rgb, roi)
    xy = nets.landmarks(rgb, roi).points[:, :2]
    return crop, (xy - back[:, 2]) @ np.linalg.inv(back[:, :2]).T


def as_batch(rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None]


def test_reads_what_litert_reads(reader: Reader, seen: tuple[np.ndarray, np.ndarray]) -> None:
    crop, points = seen
    got, deep = reader(as_batch(crop), (0, 1))
    assert np.abs(got[0, :, :2].numpy() - points).max() < 0.01
    assert [f.shape[-1] for f in deep] == [128, 64]


def test_a_crop_is_laid_where_the_engine_lays_it(seen: tuple[np.ndarray, np.ndarray]) -> None:
    face = np.full((256, 256, 3), 90, np.uint8)
    place = np.array([[0.9, 0.1, 80.3], [-0.1, 0.9, 120.7]])
    y, x = np.mgrid[0:112, 0:112]
    smooth = np.exp(-((x - 55.5) ** 2 + (y - 55.5) ** 2) / 450).astype(np.float32)
    ours = laid(as_batch(face), torch.from_numpy(0.3 * smooth).expand(1, 3, -1, -1),
                torch.from_numpy(place.astype(np.float32))[None])  # fmt: skip
    painted = np.dstack([smooth * 0.3 * 255] * 3 + [np.zeros_like(smooth)]).astype(np.float32)
    paste.lay_over(face, painted, place)
    assert np.abs(ours[0].permute(1, 2, 0).numpy() * 255 - face).max() < 1.0


def test_a_mirrored_sample_is_the_mirror_of_the_sample() -> None:
    rng = np.random.default_rng(4)
    rows = {"face": rng.random((2, 256, 256, 3), np.float32), "warp": rng.random((2, 112, 112, 3), np.float32),
            "turn": np.array([[0.3, 0.1], [0.2, -0.1]], np.float32),
            "place": np.array([[[0.9, 0.1, 80.3], [-0.1, 0.9, 120.7]]] * 2, np.float32)}  # fmt: skip

    def together() -> np.ndarray:
        face, crop = (torch.from_numpy(rows[k].transpose(0, 3, 1, 2).copy()) for k in ("face", "warp"))
        return np.asarray(laid(face, crop * window(112), torch.from_numpy(rows["place"].copy())))

    before = together()
    mirror(rows, np.array([True, False]))
    after = together()
    assert np.allclose(after[0], before[0, :, :, ::-1], atol=1e-3)
    assert np.array_equal(after[1], before[1])
    assert rows["turn"].tolist() == [[np.float32(-0.3), np.float32(0.1)], [np.float32(0.2), np.float32(-0.1)]]


def test_descending_the_loss_brings_the_lips_back(reader: Reader, seen: tuple[np.ndarray, np.ndarray]) -> None:
    crop, points = seen
    lips = points[[*INNER_LIPS, *OUTER_LIPS]]
    corner = np.rint(lips.mean(0) - 55.5).astype(int)
    true = np.ascontiguousarray(crop[corner[1] : corner[1] + 112, corner[0] : corner[0] + 112])
    warp = cv2.warpAffine(true, np.array([[1, 0, 0], [0, 1, 4.0]]), (112, 112), borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((112, 112, 2), np.uint8)
    plane = np.zeros((112, 112), np.uint8)
    cv2.fillConvexPoly(plane, cv2.convexHull(np.rint(lips - corner).astype(np.int32)), 255)
    mask[:, :, 1] = plane
    place = np.array([[1, 0, corner[0]], [0, 1, corner[1]]], np.float32)
    b = {"face": as_batch(crop), "warp": as_batch(warp), "true": as_batch(true), "mask": as_batch(mask),
         "place": torch.from_numpy(place)[None], "inter_ocular": torch.tensor([80.0])}  # fmt: skip
    w = window(112)
    as_true = b["warp"] + (b["true"] - b["warp"]) * w
    none, nothing = misreading(reader, b, as_true)
    assert float(none) < 1e-3
    assert float(nothing) < 1e-4
    got = b["warp"].clone().requires_grad_(True)
    first, deep = misreading(reader, b, got)
    assert float(first.detach()) > 0.5
    (g,) = torch.autograd.grad(first, got)
    steps = [float(misreading(reader, b, b["warp"] - r * g / g.abs().max())[0]) for r in (0.02, 0.05, 0.1)]
    assert min(steps) < 0.97 * float(first.detach())
    assert float(deep.detach()) > 0


def test_lips_are_the_loops_of_the_mesh() -> None:
    assert set(LIPS.tolist()) == {*INNER_LIPS, *OUTER_LIPS}
