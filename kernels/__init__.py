"""Sparse texture mapping: arrays in, arrays out."""

from __future__ import annotations

from kernels.cpu import warm_up
from kernels.texture import map_texture

__all__ = ["map_texture", "warm_up"]
