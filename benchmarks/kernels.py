"""How fast the kernels are: checked against the reference, then timed beside memcpy, OpenCV and others.

`python -m benchmarks.kernels --report FILE.json [--pictures DIR] [--device auto|cpu|cuda] [--quick]`
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import harness, kernel_rivals
from benchmarks.kernel_bench import Bench, Row
from benchmarks.kernel_cuda import cuda_rows
from benchmarks.kernel_rows import cores, flat_rows, frame_row, map_rows, network_rows
from kernels import gpu

SIZES = (128, 256, 512, 1024)


def cpu_rows(bench: Bench) -> None:
    """Add every row of the CPU backend."""
    for size in SIZES:
        flat_rows(bench, "live", size, literal=size <= 256, check=True)
        map_rows(bench, "live", size, check=True)
        flat_rows(bench, "dense", size, literal=size == 128, check=size == 128)
        map_rows(bench, "dense", size, check=size == 128)
    network_rows(bench, 512)
    frame_row(bench, 512)


def target_rows(bench: Bench) -> None:
    """Add only the rows that `targets` speaks of."""
    flat_rows(bench, "live", 256, literal=True, check=True)
    flat_rows(bench, "dense", 128, literal=True, check=False)
    map_rows(bench, "live", 512, check=True)
    frame_row(bench, 512)


def targets(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the promised figures that these rows can speak for: name, measured, limit, met."""
    found = []

    def add(name: str, field: str, limit: float, least: bool, **wanted: Any) -> None:
        alone = "ms_least" if field == "ms_p50" else f"{field}_least"
        values = [(r[field], r[alone]) for r in rows if all(r.get(k) == v for k, v in wanted.items()) and field in r]
        if values:
            value, undisturbed = min(values) if least else max(values)
            met, could = (v >= limit if least else v <= limit for v in (value, undisturbed))
            found.append({"name": name, "measured": value, "limit": limit, "met": met,
                          "measured_least": undisturbed, "met_by_least": could})  # fmt: skip

    flat, textured = {"op": "render", "mode": "flat"}, {"mode": "textured", "mesh": "live", "size": 512}
    literal = {**flat, "backend": "literal python"}
    add("flat, 468 vertices, 256 px, ms", "ms_p50", 0.15, False, **flat, mesh="live", size=256, backend="numba")
    add("flat, 53,215 vertices, 128 px, ms", "ms_p50", 2.5, False, **flat, mesh="dense", size=128, backend="numba")
    for mesh, size, limit in (("live", 256, 1500.0), ("dense", 128, 2000.0)):
        add(f"{mesh} mesh, one render, times faster than the literal form", "ours_is_faster", limit, True,
            **literal, mesh=mesh, size=size)  # fmt: skip
        add(f"{mesh} mesh, map_texture, times faster than the literal form", "both_poses_faster", limit, True,
            **literal, mesh=mesh, size=size)  # fmt: skip
    for threads in sorted({1, cores()}):
        add(f"map and resample, 512 px, {threads} threads, times cv2.remap of the area", "against_remap", 1.5, False,
            **textured, backend=f"numba x{threads}")  # fmt: skip
    add("map and resample, 512 px, times faster than per-triangle OpenCV", "ours_is_faster", 5.0, True,
        **textured, op="warp per triangle")  # fmt: skip
    add("mapping of a whole frame, 512 px, ms", "ms_p50", 2.5, False, op="whole frame", size=512)
    return found


def main() -> int:
    """Run every question once and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("--pictures", type=Path, help="also draw the modes and the scaling plot into this folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--quick", action="store_true", help="only the rows with a promised figure")
    ours, rest = parser.parse_known_args()
    arguments = harness.arguments(f"{__doc__}", rest)
    cupy, why = None, "asked for"
    if ours.device != "cpu":
        try:
            cupy = gpu.load_cupy()
        except gpu.CudaUnavailableError as error:
            why = str(error)
            if ours.device == "cuda":
                sys.stderr.write(f"{error}\n")
                return 2
    got = "cpu" if cupy is None else "cuda" if ours.device == "cuda" else "cpu and cuda"
    sys.stdout.write(f"device: asked {ours.device}, got {got} ({why})\n")
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    bench = Bench()
    if ours.device != "cuda":
        (target_rows if ours.quick else cpu_rows)(bench)
    if cupy is not None:
        cuda_rows(bench, cupy, SIZES[1:2] if ours.quick else SIZES)
    without = kernel_rivals.missing()
    if without:
        sys.stdout.write(f"no row of another CPU renderer: {without}\n")
    verdicts = targets(bench.rows)
    for verdict in verdicts:
        word = "met" if verdict["met"] else "met by the fastest call" if verdict["met_by_least"] else "MISSED"
        sys.stdout.write(f"{word}: {verdict['name']}: {verdict['measured']:.3g}, fastest call "
                         f"{verdict['measured_least']:.3g} (limit {verdict['limit']:g})\n")  # fmt: skip
    if ours.pictures:
        from benchmarks.kernel_pictures import pictures

        pictures(ours.pictures, bench)
    harness.save(arguments.report, {
        "device": {"asked": ours.device, "got": got}, "rows": bench.rows, "targets": verdicts,
        "memcpy_gbps": bench.memcpy_gbps, "load_average": load, "threads": cores(), "left_out": without,
        "timing": f"ms_p50: least of {bench.rounds} rounds' medians, works in turns; ms_least: fastest call",
    })  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
