"""What is held of a picture at rest: against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from kernels import calm


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (13, 9, 5), dtype=np.uint8), rng.random((13, 9, 5), np.float32) * 255


def test_change_is_its_specification(pair: tuple[np.ndarray, np.ndarray]) -> None:
    picture, held = pair
    weight = 1.0 + picture[:, :, -1:].astype(np.float64)
    want = (np.abs(picture - held.astype(np.float64)) * weight).sum() / weight.sum() / 5
    assert calm.change(picture, held) == pytest.approx(want, rel=1e-5)


def test_change_looks_where_the_mask_is(pair: tuple[np.ndarray, np.ndarray]) -> None:
    picture = pair[0]
    picture[:, :, -1] = 0
    picture[4:6, 4:6, -1] = 255
    inside, outside = picture.astype(np.float32), picture.astype(np.float32)
    inside[4:6, 4:6, 0] += 10
    outside[8:10, 4:6, 0] += 10
    assert calm.change(picture, picture.astype(np.float32)) == 0
    assert calm.change(picture, inside) > 100 * calm.change(picture, outside) > 0


@pytest.mark.parametrize("share", [0.04, 0.5, 1.0])
def test_follow_is_its_specification(pair: tuple[np.ndarray, np.ndarray], share: float) -> None:
    picture, held = pair
    want = held + np.float32(share) * (picture - held)
    calm.follow(held, picture, share)
    np.testing.assert_allclose(held, want, atol=1e-4)
    new = held[::-1].copy()
    calm.follow(held, new, 1.0)
    assert (held == new).all()


def test_wrong_arrays_are_named(pair: tuple[np.ndarray, np.ndarray]) -> None:
    picture, held = pair
    with pytest.raises(ValueError, match="held"):
        calm.change(picture, held[:-1])
    with pytest.raises(TypeError, match="picture"):
        calm.change(held, held)  # type: ignore[arg-type]
    held.flags.writeable = False
    with pytest.raises(ValueError, match="held"):
        calm.follow(held, picture, 0.5)
