"""What the control page costs: `python -m benchmarks.desk --report FILE.json [--other PORTRAIT]`.

Swaps between two sources while an output counts its ticks, and compares the compute thread with nobody looking and with
two viewers. The driver is imagined motion, so the tracker is left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from realtime.config import Config
from realtime.machine import machine_card
from realtime.outputs.base import Output, Stream
from realtime.pipeline import Engine
from realtime.preview.desk import Desk
from realtime.preview.server import PreviewOutput
from realtime.types import Composite


class Ticks:
    """An output that notes when each picture came and of which source."""

    name = "ticks"

    def __init__(self) -> None:
        self.at: list[tuple[float, int]] = []

    def open(self, stream: Stream) -> None:
        """Nothing to prepare."""

    def send(self, composite: Composite) -> None:
        """Note the time."""
        self.at.append((time.perf_counter(), composite.look))

    def close(self, complete: bool) -> None:
        """Nothing to free."""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def swap_ms(desk: Desk, ticks: Ticks, ident: str, bound_s: float = 60.0) -> float:
    """Show a source and return the ms until the output had its first picture."""
    before, start = ticks.at[-1][1], time.perf_counter()
    desk.use_source(ident)
    while ticks.at[-1][1] == before:
        time.sleep(0.002)
        if time.perf_counter() - start > bound_s:
            raise SystemExit("the source never came: is there a face in it?")
    return (time.perf_counter() - start) * 1e3


VIEWER = """import sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as link:
    while True:
        link.send("next")
        link.recv(5)"""


def view(port: int) -> subprocess.Popen[bytes]:
    """Look at the preview from another process, as a browser does."""
    address = f"ws://127.0.0.1:{port}/api/preview"
    return subprocess.Popen([sys.executable, "-c", VIEWER, address], stderr=subprocess.DEVNULL)


def on_cpu_ns() -> int | None:
    """Return the time that the compute thread has had a processor, None where the system does not tell."""
    for thread in threading.enumerate():
        path = Path(f"/proc/self/task/{thread.native_id}/schedstat")
        if thread.name == "compute" and path.exists():
            return int(path.read_text().split()[0])
    return None


def compute_ms(engine: Engine, seconds: float) -> tuple[list[float], list[float]]:
    """Return latencies of the frames of the next `seconds`, and the compute thread's mean processor ms for each."""
    meter = engine._meter
    first, began = meter.recent(1)["latencies_total"], on_cpu_ns()
    time.sleep(seconds)
    found, ended = meter.recent(2000), on_cpu_ns()
    count = found["latencies_total"] - first
    busy = [] if began is None or ended is None else [(ended - began) / 1e6 / max(count, 1)]
    return list(found["latencies_ms"][-count:]), busy


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", default="-")
    parser.add_argument("--other", help="a second portrait; without one the first, turned around, is used")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.other, options.seconds, options.size)
    text = json.dumps({"machine": machine_card(), **found}, indent=1)
    if options.report == "-":
        print(text)
    else:
        Path(options.report).write_text(text + "\n", encoding="utf-8")


def measure(folder: Path, other: str | None, seconds: float, size: int) -> dict[str, Any]:
    """Return the figures."""
    from PIL import Image, ImageOps

    from realtime.assembly import source_path

    portrait = source_path(Config(), lambda _: None)
    config = Config(driver="imagine", size=size, output=("preview",), port=free_port(), source=str(portrait))
    second = folder / "second.png"
    if other:
        shutil.copy(other, second)
    else:
        ImageOps.mirror(Image.open(portrait).convert("RGB")).save(second)
    desk, ticks = Desk(config, folder=folder), Ticks()
    page = PreviewOutput(config, desk)
    outputs: list[Output] = [ticks, page]
    engine = Engine(config, outputs=outputs, desk=desk)
    running = threading.Thread(target=engine.run, daemon=True)
    running.start()
    while len(ticks.at) < 90:
        time.sleep(0.1)
    runs: dict[str, tuple[list[float], list[float]]] = {"alone": ([], []), "two_viewers": ([], [])}
    for turn in range(6):  # in turn, so that a busier minute hits both
        name = ("alone", "two_viewers")[turn % 2]
        viewers = [view(config.port) for _ in range(2 * (turn % 2))]
        while desk.screen.viewers < len(viewers):
            time.sleep(0.05)
        for kept, more in zip(runs[name], compute_ms(engine, seconds / 2), strict=True):
            kept += more
        for viewer in viewers:
            viewer.kill()
            viewer.wait()
        while desk.screen.viewers:
            time.sleep(0.05)
    added = desk.sources.add(second.read_bytes(), "second")
    first = desk.state()["source"]
    from_tick = len(ticks.at)
    new = swap_ms(desk, ticks, added.id)
    prepared = [swap_ms(desk, ticks, ident) for ident in [first, added.id] * 4]
    gaps = np.diff([at for at, _ in ticks.at[from_tick:]]) * 1e3
    missed = sum(sender.missed for sender in getattr(engine._running, "senders", [])[:1])
    engine.stop()
    running.join(20)
    rest = {"p50": 50, "p95": 95}
    return {
        "new_source_ms": round(new, 1),
        "prepared_swap_ms": {k: round(float(np.percentile(prepared, p)), 1) for k, p in rest.items()},
        "tick_gap_ms": {**{k: round(float(np.percentile(gaps, p)), 1) for k, p in rest.items()},
                        "max": round(float(gaps.max()), 1)},
        "ticks_missed": missed,
        "latency_ms": {name: {k: round(float(np.percentile(run[0], p)), 2) for k, p in rest.items()}
                       for name, run in runs.items()},
        "compute_cpu_ms": {name: round(float(np.median(run[1])), 2) for name, run in runs.items() if run[1]},
    }  # fmt: skip


if __name__ == "__main__":
    main()
