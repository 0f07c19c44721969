"""What the control page costs: `python -m benchmarks.desk --report FILE.json [--other PORTRAIT]`.

Swaps between two sources while an output counts its ticks, and compares the compute thread with nobody looking and with
two viewers. The driver is imagined motion, so the tracker is left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import connect

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


def view(port: int, stop: threading.Event) -> None:
    """Look at the preview as a browser does."""
    with connect(f"ws://127.0.0.1:{port}/api/preview") as link:
        while not stop.is_set():
            link.send("next")
            link.recv(5)


def compute_ms(engine: Engine, seconds: float) -> list[float]:
    """Return the compute thread's ms of each frame of the next `seconds`."""
    meter = engine._meter
    first = meter.recent(1)["latencies_total"]
    time.sleep(seconds)
    found = meter.recent(2000)
    return list(found["latencies_ms"][-(found["latencies_total"] - first) :])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", default="-")
    parser.add_argument("--other", help="a second portrait; without one the first, turned around, is used")
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.other, options.seconds)
    text = json.dumps({"machine": machine_card(), **found}, indent=1)
    if options.report == "-":
        print(text)
    else:
        Path(options.report).write_text(text + "\n", encoding="utf-8")


def measure(folder: Path, other: str | None, seconds: float) -> dict[str, Any]:
    """Return the figures."""
    from PIL import Image, ImageOps

    from realtime.assembly import source_path

    portrait = source_path(Config(), lambda _: None)
    config = Config(driver="imagine", output=("preview",), port=free_port(), source=str(portrait))
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
    alone: list[float] = []
    watched: list[float] = []
    for _ in range(3):  # in turn, so that a busier minute hits both
        alone += compute_ms(engine, seconds / 2)
        stop = threading.Event()
        viewers = [threading.Thread(target=view, args=(config.port, stop), daemon=True) for _ in range(2)]
        for viewer in viewers:
            viewer.start()
        time.sleep(0.5)
        watched += compute_ms(engine, seconds / 2)
        stop.set()
        for viewer in viewers:
            viewer.join(6)
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
        "latency_alone_ms": {k: round(float(np.percentile(alone, p)), 2) for k, p in rest.items()},
        "latency_two_viewers_ms": {k: round(float(np.percentile(watched, p)), 2) for k, p in rest.items()},
    }  # fmt: skip


if __name__ == "__main__":
    main()
