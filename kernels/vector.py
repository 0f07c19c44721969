"""The four-lane sequence Numba cannot find by itself: sample a person's pixel and lay it over the plate."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]
from numba import config, types
from numba.extending import intrinsic


def mix_reference(
    person: Any, offset: int, pitch: int, step: int, fx: float, fy: float, plate: Any, out: Any, at: int
) -> None:
    """Write one composited pixel; the plain form of `mix`, and what runs when the JIT is off.

    person: flat float32 RGBA picture; offset, pitch, step: its upper left tap and the way to the tap below and to the
    right, in floats; fx, fy: position between the taps, 0..1; plate, out: flat uint8 pictures; at: the pixel's red.
    """
    one = np.float32(1.0)
    tap = person[offset : offset + 4] * (one - fx) + person[offset + step : offset + step + 4] * fx
    below = offset + pitch
    lower = person[below : below + 4] * (one - fx) + person[below + step : below + step + 4] * fx
    rgba = tap * (one - fy) + lower * fy
    for c in range(3):
        value = rgba[c] + (one - rgba[3]) * np.float32(plate[at + c])
        out[at + c] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)) + np.float32(0.5))


def _mix(
    typingctx: Any, person: Any, offset: Any, pitch: Any, step: Any, fx: Any, fy: Any, plate: Any, out: Any, at: Any
) -> Any:
    del typingctx, offset, pitch, step, fx, fy, at  # Numba passes their types; the signature below fixes them
    signature = types.void(person, types.uint64, types.uint64, types.uint64, types.float32, types.float32, plate, out,
                           types.uint64)  # fmt: skip
    lanes, byte, word, half = ir.VectorType(ir.FloatType(), 4), ir.IntType(8), ir.IntType(32), ir.IntType(16)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def data(i: int) -> Any:
            return context.make_array(sig.args[i])(context, builder, args[i]).data

        def splat(value: Any) -> Any:
            first = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, ir.Constant(word, 0))
            return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(word, 4), [0] * 4))

        def constant(value: float) -> Any:
            return ir.Constant(lanes, [value] * 4)

        def tap(where: Any) -> Any:
            pointer = builder.bitcast(builder.gep(data(0), [where]), lanes.as_pointer())
            return builder.load(pointer, align=4)

        def between(a: Any, b: Any, f: Any, rest: Any) -> Any:
            return builder.fadd(builder.fmul(a, rest), builder.fmul(b, f))

        _, offset, pitch, step, fx, fy, _, _, at = args
        fx4, fy4 = splat(fx), splat(fy)
        gx4, gy4 = builder.fsub(constant(1.0), fx4), builder.fsub(constant(1.0), fy4)
        below = builder.add(offset, pitch)
        upper = between(tap(offset), tap(builder.add(offset, step)), fx4, gx4)
        lower = between(tap(below), tap(builder.add(below, step)), fx4, gx4)
        rgba = between(upper, lower, fy4, gy4)
        alpha = builder.shuffle_vector(rgba, rgba, ir.Constant(ir.VectorType(word, 4), [3] * 4))

        def pair(i: int) -> tuple[Any, Any]:  # the pixel's three bytes as two and one: never past the last pixel
            red = builder.gep(data(i), [at])
            blue = builder.gep(red, [ir.Constant(ir.IntType(64), 2)])
            return builder.bitcast(red, half.as_pointer()), blue

        two, one = pair(6)
        rg = builder.zext(builder.load(two, align=1), word)
        packed = builder.or_(rg, builder.shl(builder.zext(builder.load(one), word), ir.Constant(word, 16)))
        under = builder.uitofp(builder.bitcast(packed, ir.VectorType(byte, 4)), lanes)
        value = builder.fadd(rgba, builder.fmul(builder.fsub(constant(1.0), alpha), under))
        value = builder.select(builder.fcmp_ordered(">", value, constant(0.0)), value, constant(0.0))
        value = builder.select(builder.fcmp_ordered("<", value, constant(255.0)), value, constant(255.0))
        whole = builder.fptosi(builder.fadd(value, constant(0.5)), ir.VectorType(word, 4))
        pixel = builder.bitcast(builder.trunc(whole, ir.VectorType(byte, 4)), word)
        two, one = pair(7)
        builder.store(builder.trunc(pixel, half), two, align=1)
        builder.store(builder.trunc(builder.lshr(pixel, ir.Constant(word, 16)), byte), one)
        return context.get_dummy_value()

    return signature, generate


mix: Any = mix_reference if config.DISABLE_JIT else intrinsic(_mix)
"""`mix_reference` in four lanes: the same roundings, an eighth of the instructions (docs/decisions/0303)."""
