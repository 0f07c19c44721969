"""A short notation for LLVM vectors: eight pixels at a time, where Numba does not find the vector form by itself.

No fast-math flag is ever set, so a vector step rounds as its plain twin does. LLVM splits eight lanes into what the
machine has: one AVX-512 register, two of AVX2, four of SSE or NEON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]
from numba import config, types
from numba.extending import intrinsic

LANES = 8
"""Columns in one step; a row of scratch is this much longer than the picture, so that no step leaves its row."""

BIT, BYTE, HALF, WORD, LONG = (ir.IntType(n) for n in (1, 8, 16, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
_BYTES = {types.uint8: 1, types.int32: 4, types.uint32: 4, types.float32: 4, types.float64: 8}


def vector(kind: Any, count: int = LANES) -> Any:
    """Return the type of `count` lanes of `kind`."""
    return ir.VectorType(kind, count)


class Emitter:
    """The arguments of an intrinsic and the few vector operations that the kernels need."""

    def __init__(self, context: Any, builder: Any, kinds: Sequence[Any], values: Sequence[Any]) -> None:
        self.builder = builder
        self.values = values
        self._kinds = kinds
        self._arrays: list[Any] = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else None
            for kind, value in zip(kinds, values, strict=True)
        ]

    def element(self, array: int) -> Any:
        """Return the LLVM type of the elements of argument `array`."""
        return self._arrays[array].data.type.pointee

    def size(self, array: int) -> Any:
        """Return the number of elements of argument `array`."""
        return self._arrays[array].nitems

    def _at(self, array: int, index: Any, kind: Any) -> tuple[Any, int]:
        pointer = self.builder.gep(self._arrays[array].data, [index])
        return self.builder.bitcast(pointer, kind.as_pointer()), _BYTES[self._kinds[array].dtype]

    def load(self, array: int, index: Any, kind: Any) -> Any:
        """Load a `kind` that starts at element `index` of argument `array`."""
        pointer, align = self._at(array, index, kind)
        return self.builder.load(pointer, align=align)

    def store(self, value: Any, array: int, index: Any) -> None:
        """Store a vector or a number so that it starts at element `index` of argument `array`."""
        pointer, align = self._at(array, index, value.type)
        self.builder.store(value, pointer, align=align)

    def item(self, value: int, index: int) -> Any:
        """Return one number of the tuple that is argument `value`."""
        return self.builder.extract_value(self.values[value], index)

    def splat(self, value: Any, count: int = LANES) -> Any:
        """Return `value` in every lane."""
        first = self.builder.insert_element(
            ir.Constant(vector(value.type, count), ir.Undefined), value, ir.Constant(WORD, 0)
        )
        return self.shuffle(first, [0] * count)

    def shuffle(self, value: Any, order: Sequence[int]) -> Any:
        """Return the lanes of `value` in another order."""
        return self.builder.shuffle_vector(value, value, ir.Constant(vector(WORD, len(order)), list(order)))

    def constant(self, kind: Any, values: Sequence[float] | float, count: int = LANES) -> Any:
        """Return a constant vector; a single number is repeated."""
        lanes = [values] * count if isinstance(values, int | float) else list(values)
        return ir.Constant(vector(kind, len(lanes)), lanes)

    def both(self, *masks: Any) -> Any:
        """Return the lanes in which every mask holds."""
        result = masks[0]
        for mask in masks[1:]:
            result = self.builder.and_(result, mask)
        return result


def emitted(twin: Callable[..., Any], declare: Callable[..., Any]) -> Any:
    """Return the intrinsic that `declare` types and emits, or its plain twin when the JIT is off."""
    return twin if config.DISABLE_JIT else intrinsic(declare)


def procedure(emit: Callable[[Emitter], None], *kinds: Any) -> Any:
    """Return what an intrinsic of no result returns to Numba: its signature and how to generate it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        emit(Emitter(context, builder, signature.args, values))
        return context.get_dummy_value()

    return types.void(*kinds), generate


def function(emit: Callable[[Emitter], Any], result: Any, *kinds: Any) -> Any:
    """Return what an intrinsic with a result returns to Numba; `emit` gives back the value."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return emit(Emitter(context, builder, signature.args, values))

    return result(*kinds), generate
