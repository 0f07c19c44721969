"""Sparse texture mapping: arrays in, arrays out."""

from __future__ import annotations

from kernels.cpu import warm_up

__all__ = ["warm_up"]
