"""Argument checks shared by every backend: one clear line with the name, shape and dtype of what was wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Shape = tuple[int | None, ...]


def check(name: str, value: Any, dtypes: tuple[type, ...], shape: Shape) -> None:
    """Raise unless `value` is a C-contiguous array of one of `dtypes` and of `shape`, where None is any length.

    Raises TypeError for another type or dtype, ValueError for another shape or a non-contiguous array.
    """
    if (
        isinstance(value, np.ndarray) and value.dtype.type in dtypes and value.ndim == len(shape)
        and value.flags.c_contiguous and all(w is None or w == g for w, g in zip(shape, value.shape, strict=True))
    ):  # fmt: skip
        return  # nothing is formatted for an array that is right: this runs several times a frame
    wanted = f"{' or '.join(np.dtype(d).name for d in dtypes)} {_text(shape)}"
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name}: expected a NumPy array {wanted}, got {type(value).__name__}")
    got = f"{value.dtype.name} {_text(value.shape)}"
    if value.dtype.type not in dtypes:
        raise TypeError(f"{name}: expected {wanted}, got {got}")
    if value.ndim != len(shape) or any(w is not None and w != g for w, g in zip(shape, value.shape, strict=True)):
        raise ValueError(f"{name}: expected {wanted}, got {got}")
    raise ValueError(f"{name}: {got} is not C-contiguous; pass np.ascontiguousarray({name})")


def check_writable(name: str, value: npt.NDArray[Any]) -> None:
    """Raise ValueError when an output array is read-only."""
    if not value.flags.writeable:
        raise ValueError(f"{name}: {value.dtype.name} {_text(value.shape)} is read-only")


def check_size(height: int, width: int) -> None:
    """Raise ValueError unless the picture has 1 to 65,536 rows and columns."""
    if not (1 <= height <= 65536 and 1 <= width <= 65536):
        raise ValueError(f"height, width: expected 1..65536, got {height}, {width}")


def check_picture(shape: Shape) -> None:
    """Raise ValueError unless a picture of `shape` (H, W, C) has a size that the kernels address with 32 bits."""
    height, width, channels = (int(n or 0) for n in shape)
    check_size(height, width)
    if height * width * channels >= 1 << 31:  # a tap is a 32-bit offset
        raise ValueError(f"picture {shape}: expected fewer than 2^31 numbers")


def check_texture(image: Any) -> None:
    """Raise TypeError or ValueError unless `image` is a picture (H, W, 3) uint8 of two by two pixels or more."""
    check("image", image, (np.uint8,), (None, None, 3))
    if min(image.shape[:2]) < 2:
        raise ValueError(f"image: expected two rows and columns or more, got uint8 {image.shape}")
    check_picture(image.shape)


def check_map(map_: Any, height: int, width: int, name: str, *, writable: bool = False) -> None:
    """Raise TypeError or ValueError unless the fields of a `cpu.BackwardMap` fit a picture (height, width)."""
    check(f"{name}.xy", map_.xy, (np.float32,), (height, width, 2))
    check(f"{name}.triangle", map_.triangle, (np.int32,), (height, width))
    check(f"{name}.depth", map_.depth, (np.float32,), (height, width))
    if writable:
        for field in ("xy", "triangle", "depth"):
            check_writable(f"{name}.{field}", getattr(map_, field))


def raise_bad_triangle(triangles: npt.NDArray[Any], found: int, count: int) -> None:
    """Raise ValueError for triangle -1 - found, the answer of a listing kernel, of a mesh of `count` vertices."""
    index = int(-1 - found)
    raise ValueError(f"triangles[{index}]: {triangles[index].tolist()} names a vertex outside 0..{count - 1}")


def _text(shape: Shape) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
