#!/usr/bin/env python3
"""The whole desk for half an hour (`make soak MINUTES=30`): page, sound and file at once, on the real command line.

A clip of the default portrait (made by the engine, tracked like any driver) drives the run. Two viewers look at the
page, one of them slow; a script turns the page's knobs; clicks go through the delay line of a real sound server, and
an independent ear counts them at the far end. The engine's process is sampled; the report says what was kept.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "realtime"))

import av
import httpx
from beside import Hand, Metronome, sample, starved_s
from sound_server import SoundServer, why_not
from verdict import Sample, faults, growth, why_no_verdict

from models.assets import cache_dir
from realtime.files import write_atomically
from realtime.machine import machine_card, versions

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NS = 1_000_000_000
FPS = 30
CLIP_S = 20
NO_VERDICT = 78  # exit code: the machine was too busy to tell
SAMPLE_S = 5.0
FOR_EVER = "1e6"  # seconds; ended with the server


def say(text: str) -> None:
    """Write a line to the person who waits."""
    sys.stdout.write(f"soak: {text}\n")
    sys.stdout.flush()


def make_clip(folder: Path, seconds: float) -> Path:
    """Return a driver clip of `seconds`: a short one of the default portrait, its packets repeated without decoding."""
    short, long = folder / "short.mp4", folder / "driver.mp4"
    command = ["run_live.py", "--driver", "imagine", "--seconds", str(CLIP_S), "--pace", "offline", "--fps", str(FPS),
               "--output", str(short)]  # fmt: skip
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    with av.open(str(long), "w") as target:
        made, offset = None, 0.0
        while offset < seconds:
            with av.open(str(short)) as source:
                video = source.streams.video[0]
                if made is None:
                    made = target.add_stream_from_template(video)
                base = float(video.time_base or 0)
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = (round(t + offset / base) for t in (packet.pts or 0, packet.dts))
                    packet.stream = made
                    target.mux(packet)
                offset += float((video.duration or 0) * base)
    return long


def comes_up(page: httpx.Client, engine: subprocess.Popen[bytes], bound_s: float = 180.0) -> bool:
    """Wait until the clip's face moves the picture; False when that never happens."""
    end = time.monotonic() + bound_s
    while time.monotonic() < end and engine.poll() is None:
        try:
            if page.get("/api/figures").json().get("driven"):
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    return False


def count_file(path: Path) -> dict[str, Any]:
    """Return pictures, seconds and longest gap of a video file, from its packets."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        times = sorted(float(p.pts * video.time_base) for p in container.demux(video) if p.pts is not None)
    gaps = [b - a for a, b in pairwise(times)]
    return {"pictures": len(times), "seconds": round(times[-1] - times[0], 2),
            "mb": round(path.stat().st_size / 1e6, 1), "longest_gap_ms": round(max(gaps) * 1e3, 1)}  # fmt: skip


def heard(near: list[int], far: list[int]) -> dict[str, Any]:
    """Return how many clicks at the microphone came out of the cable, and how late, at first and at last (ms)."""
    lags = []
    for at in near:
        later = [f - at for f in far if 0 < f - at < 900_000_000]
        if later:
            lags.append(min(later) / 1e6)
    third = max(len(lags) // 3, 1)
    late = {"first_third": lags[:third], "last_third": lags[-third:]} if lags else {}
    return {"played": len(near), "heard": len(lags), **{f"late_ms_{k}": round(median(v), 1) for k, v in late.items()}}


def ears(server: SoundServer) -> list[subprocess.Popen[bytes]]:
    """Start one ear at the microphone and one at the cable, and a player; return the ears once it plays."""
    # Before the engine: three programs that start up take both processors for a second.
    ear = str(ROOT / "tests/realtime/sound_ear.py")
    listening = [server.python(ear, name, FOR_EVER) for name in ("room_mic", "cable_far")]
    player = server.python(ear, "click:room_speaker", FOR_EVER)
    assert player.stdout is not None
    player.stdout.readline()
    threading.Thread(target=player.stdout.read, daemon=True).start()  # or it would wait for a reader
    return listening


def ear_lines(process: subprocess.Popen[bytes]) -> list[int]:
    """End an ear and return the times that it has printed, ns."""
    process.terminate()
    return [json.loads(line)["ns"] for line in process.communicate(timeout=60)[0].splitlines()]


def eyes(address: str, seconds: float) -> dict[str, subprocess.Popen[bytes]]:
    """Start two viewers that wait for the word to look; return them once they are ready."""
    looking = {name: subprocess.Popen([sys.executable, str(HERE / "viewer.py"), address, str(seconds), wait],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
               for name, wait in {"fast": "0", "slow": "0.3"}.items()}  # fmt: skip
    for process in looking.values():
        assert process.stdout is not None
        process.stdout.readline()
    return looking


@contextmanager
def sound(folder: Path) -> Iterator[SoundServer | None]:
    """Run a sound server, or none where there cannot be one."""
    reason = why_not()
    if reason is not None:
        say(f"without sound: {reason}")
        yield None
        return
    with SoundServer(folder) as server:
        yield server


def soak(folder: Path, minutes: float, port: int, driver: Path | None) -> dict[str, Any]:
    """Run, and return everything that was found."""
    seconds = minutes * 60
    clip = driver or make_clip(folder, seconds + 30)
    file, report, words = folder / "out.mp4", folder / "report.json", folder / "words.txt"
    (folder / "sound").mkdir()
    with sound(folder / "sound") as server:
        flags = ["--driver", str(clip), "--output", "preview", "--output", str(file), "--port", str(port), "--fps",
                 str(FPS), "--seconds", str(seconds + 5), "--neutral", "first", "--report", str(report)]  # fmt: skip
        environment = {**os.environ, "FACEANIME_CONFIG": str(folder / "config"), "FACEANIME_CACHE": str(cache_dir())}
        listening: list[subprocess.Popen[bytes]] = []
        if server is not None:
            listening = ears(server)
            flags += ["--audio-in", "room_mic", "--audio-out", "cable", "--audio-buffer", "80"]
            environment = {**server.environment, **{k: environment[k] for k in ("FACEANIME_CONFIG", "FACEANIME_CACHE")}}
        looking = eyes(f"ws://127.0.0.1:{port}/api/preview", seconds - 2)
        with words.open("wb") as said:
            engine = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "run_live.py", *flags], cwd=ROOT, env=environment, stderr=said
            )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as page:
                if not comes_up(page, engine):
                    engine.send_signal(signal.SIGABRT)  # says where every thread stands
                    time.sleep(2)
                    raise SystemExit(f"soak: the engine did not come up: {words.read_text()[-6000:]}")
            before = starved_s()
            metronome = Metronome()
            metronome.start()
            began_ns = time.monotonic_ns()
            samples, viewers, hand = watch(engine, looking, port, seconds)
            ended_ns = time.monotonic_ns()
            metronome.end()
            waited = None if before is None else (starved_s() or before) - before
            engine.wait(60)
        finally:
            if engine.poll() is None:
                engine.kill()
                engine.wait()
            for process in looking.values():
                process.kill()
        near, far = (ear_lines(e) for e in listening) if listening else ([], [])
        clicks = heard([at for at in near if began_ns < at < ended_ns - NS], far) if listening else None
    if engine.returncode:
        say(f"the engine ended with {engine.returncode}: {words.read_text()[-800:]}")
    told = json.loads(report.read_text())
    kept = ("frames_in", "frames_out", "repeated", "dropped", "tracked", "fps", "latency_ms", "stages_ms", "audio")
    warm_up_s = min(180.0, 0.2 * seconds)
    return {
        "minutes": minutes, "seconds": seconds, "memory": growth(samples, warm_up_s), "warm_up_s": warm_up_s,
        "load": {"median": median(s.load for s in samples), "most": max(s.load for s in samples)},
        "machine_stalls": {"longest_ms": round(metronome.longest_ms, 1), "over_33_ms": metronome.stalls},
        "cpu_pressure": None if waited is None else round(waited / seconds, 3),
        "cores_used": round((samples[-1].cpu_s - samples[0].cpu_s) / (samples[-1].second - samples[0].second), 2),
        "sent": {("file" if name.endswith(".mp4") else "page"): figures for name, figures in told["sent"].items()},
        "file": count_file(file), "viewers": viewers, "steered": {"steps": hand.steps, "refused": hand.refused},
        "sound": clicks, "engine": {name: told[name] for name in kept if name in told},
        "exit_code": engine.returncode,
        "warnings": [w for w in words.read_text().splitlines() if w.startswith("warning")],
        "samples": [[s.second, s.rss_mb, s.anonymous_mb, round(s.load, 1)] for s in samples],
    }  # fmt: skip


def watch(
    engine: subprocess.Popen[bytes], looking: dict[str, subprocess.Popen[bytes]], port: int, seconds: float
) -> tuple[list[Sample], list[dict[str, Any]], Hand]:
    """Let viewers look and the hand steer while the engine is sampled for `seconds`."""
    start = time.monotonic()
    for process in looking.values():
        assert process.stdin is not None
        process.stdin.write(b"look\n")
        process.stdin.flush()
    hand = Hand(f"http://127.0.0.1:{port}")
    hand.start()
    samples: list[Sample] = []
    told = start
    while (passed := time.monotonic() - start) < seconds and engine.poll() is None:
        found = sample(engine.pid, passed)
        if found is not None:
            samples.append(found)
            if time.monotonic() - told >= 60:
                told = time.monotonic()
                say(f"{passed / 60:.0f} min: {found.rss_mb:.0f} MB, load {found.load:.1f}")
        time.sleep(SAMPLE_S)
    hand.end()
    seen = [{"name": name, **json.loads(p.communicate(timeout=30)[0])} for name, p in looking.items()]
    return samples, seen, hand


def main() -> int:
    """Run and judge; exit code 1 when a limit was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--report", type=Path, default=ROOT / "out" / "soak.json")
    parser.add_argument("--driver", type=Path, help="a clip with a face that is longer than the run, instead of ours")
    parser.add_argument("--port", type=int, default=8765)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        found = soak(Path(folder), chosen.minutes, chosen.port, chosen.driver)
    wrong, no_verdict = faults(found, 1000 / FPS), why_no_verdict(found)
    chosen.report.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "faults": [fault.text for fault in wrong],
        "no_verdict": no_verdict,
        **found,
        "machine": machine_card(),
        "versions": versions(),
    }
    write_atomically(chosen.report, json.dumps(report, indent=1) + "\n")
    for name in ("memory", "load", "machine_stalls", "cpu_pressure", "cores_used", "sent", "file", "viewers", "steered",
                 "sound", "warnings"):  # fmt: skip
        say(f"{name}: {json.dumps(found[name])}")
    for fault in wrong:
        say(f"MISSED: {fault.text}")
    timed_only = bool(wrong) and all(fault.timed for fault in wrong)
    if timed_only and no_verdict:
        say(f"no verdict on gaps and rates: {no_verdict}; report in {chosen.report}")
        return NO_VERDICT
    say(f"{'failed' if wrong else 'passed'}; report in {chosen.report}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
