"""An independent ear, run as a program of its own: prints the time of every click it hears, by the monotonic clock.

python sound_ear.py DEVICE SECONDS [BLOCK] -> one JSON line per click: {"ns": ..}. DEVICE `click:NAME` plays clicks
instead, one at every full second of the monotonic clock, and prints the time at which the device says each one sounds.
BLOCK: samples that the device hands over at a time (480); a slow machine wants more.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import numpy as np
import sounddevice as sd

RATE = 48_000
NS = 1_000_000_000
TONE = np.sin(2 * np.pi * 2000 * np.arange(480) / RATE) * np.hanning(480) * 0.8


def say(ns: int) -> None:
    sys.stdout.write(json.dumps({"ns": ns}) + "\n")
    sys.stdout.flush()


def sizes(block: int) -> dict[str, float]:
    """Return what a stream is asked for: samples at a time, and the buffer in s."""
    return {"blocksize": block, "latency": 3 * block / RATE}


def clicks(samples: np.ndarray) -> tuple[list[float], int]:
    """Return the middles of all clicks that have ended (samples), and how many samples are done with."""
    middles: list[float] = []
    used = 0
    while len(loud := np.flatnonzero(np.abs(samples[used:]) > 0.2)):
        first = used + int(loud[0])
        if len(samples) - first <= 2400:
            return middles, max(used, first - 480)
        begin = max(first - 480, used)
        power = samples[begin : first + 1440] ** 2
        middles.append(begin + float((power * np.arange(len(power))).sum() / power.sum()))
        used = first + 2000
    return middles, max(used, len(samples) - 480)


def listen(device: str, seconds: float, block: int) -> None:
    """Print the middle of each click."""
    blocks: list[tuple[float, np.ndarray]] = []
    lock = threading.Lock()

    def callback(data: np.ndarray, frames: int, times: object, status: object) -> None:
        now = time.monotonic_ns()
        age = (times.currentTime - times.inputBufferAdcTime) * NS  # type: ignore[attr-defined]
        with lock:
            blocks.append((now - age, data[:, 0].copy()))

    with sd.InputStream(device=device, channels=1, samplerate=RATE, **sizes(block), callback=callback):
        end = time.monotonic() + seconds
        offset: float | None = None  # ns of sample 0, smoothed over many blocks
        count, tail = 0, np.zeros(0)
        while time.monotonic() < end:
            time.sleep(0.2)
            with lock:
                taken, blocks[:] = list(blocks), []
            for stamp, data in taken:
                here = stamp - count * NS / RATE
                if offset is None or abs(here - offset) > 0.1 * NS:
                    offset = here
                offset += 0.02 * (here - offset)
                count += len(data)
            start = count - sum(len(data) for _, data in taken) - len(tail)
            found, used = clicks(tail := np.concatenate([tail, *(data for _, data in taken)]))
            for middle in found:
                say(int((offset or 0) + (start + middle) * NS / RATE))
            tail = tail[used:]


def click(device: str, seconds: float, block: int) -> None:
    """Play a click at every full second."""
    done: list[int] = []
    played = [0]

    def callback(data: np.ndarray, frames: int, times: object, status: object) -> None:
        now = time.monotonic_ns()
        first = now + (times.outputBufferDacTime - times.currentTime) * NS  # type: ignore[attr-defined]
        data[:] = 0
        at = int(-(-(first - NS / 100) // NS)) * NS - NS // 200  # the click's start: its middle is at the full second
        start = round((at - first) * RATE / NS)
        low, high = max(start, 0), min(start + len(TONE), frames)
        if low < high:
            if played[0] == 0 or start >= 0:
                played[0] = start
            data[low:high, 0] = TONE[low - start : high - start]
            if start >= 0:
                done.append(int(first + (start + 240) * NS / RATE))

    with sd.OutputStream(device=device, channels=1, samplerate=RATE, **sizes(block), callback=callback):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            while done:
                say(done.pop(0))


if __name__ == "__main__":
    name, length, size = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 480
    click(name.removeprefix("click:"), length, size) if name.startswith("click:") else listen(name, length, size)
