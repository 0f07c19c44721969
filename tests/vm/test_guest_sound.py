"""Sound through ALSA alone, on the kernel's own loopback card (snd-aloop): a click and a flash arrive together."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from guest import note

HERE = Path(__file__).resolve().parents[1] / "realtime"
NS = 1_000_000_000
SECONDS, LATE_MS, BUFFER_MS = 60.0, 400.0, 200.0  # the emulated machine needs large buffers
# Two cables: what is played into one side of the card comes out of the other.
PCMS = {
    "room_speaker": "hw:Loopback,1",
    "room_mic": "hw:Loopback,0",
    "cable": "hw:Loopback,0",
    "cable_far": "hw:Loopback,1",
}

FOR_EVER, BLOCK = "1e6", "2400"  # seconds, ended with the engine; samples: a callback costs ten times what it should


def lines_of(process: subprocess.Popen[bytes], patience_s: float) -> list[dict[str, int]]:
    """Return the lines that a program has printed by its end."""
    return [json.loads(line) for line in process.communicate(timeout=patience_s)[0].splitlines()]


def offsets(lines: list[dict[str, int]], name: str = "ns") -> dict[int, float]:
    """Return ms after the full second for each moment, by second."""
    moments = [line[name] for line in lines if name in line]
    return {(n + NS // 10) // NS: ((n + NS // 10) % NS - NS // 10) / 1e6 for n in moments}


def test_click_and_flash_arrive_together_through_alsa(tmp_path: Path) -> None:
    """The engine takes the microphone side of one cable to the speaker side of the other, delayed like the picture."""
    try:
        importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:  # the package, or the PortAudio that it loads
        pytest.skip(f"sounddevice cannot be loaded: {error}")
    # Loaded here and not at the start: a sound card is more work for the browser of the other test.
    if subprocess.run(["modprobe", "snd-aloop"], check=False).returncode:
        pytest.skip("this kernel has no snd-aloop")
    conf = tmp_path / "asound.conf"
    conf.write_text("</usr/share/alsa/alsa.conf>\n" + "".join(
        f'pcm.{name} {{ type plug slave {{ pcm "{device}" rate 48000 }} hint {{ show on description "{name}" }} }}\n'
        for name, device in PCMS.items()))  # fmt: skip
    environment = os.environ | {"ALSA_CONFIG_PATH": str(conf), "PYTHONPATH": str(HERE.parents[1])}

    def start(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.PIPE)

    report = tmp_path / "report.json"
    sound = str(HERE / "sound_ear.py")
    clicks = start(sound, "click:room_speaker", FOR_EVER, BLOCK)
    ear = start(sound, "cable_far", FOR_EVER, BLOCK)
    engine = start(str(HERE / "sound_engine.py"), str(SECONDS), str(LATE_MS), str(report), str(BUFFER_MS))
    try:
        flash = lines_of(engine, 400)
    except subprocess.TimeoutExpired:
        pytest.skip("no verdict: the guest was too slow for a minute of sound")
    finally:
        for process in (engine, ear, clicks):
            process.terminate()
        played, far = (lines_of(process, 60) for process in (clicks, ear))
        note("snd_aloop_heard", {"played": len(played), "far": len(far)})
    assert engine.returncode == 0
    seen, heard = offsets(flash), offsets(far)
    both = sorted(set(seen) & set(heard))[15:]  # by then the lag is measured, and the delay slewed to it
    audio = json.loads(report.read_text())["audio"]
    skew = np.array([heard[k] - seen[k] for k in both])
    note("snd_aloop", {
        "clicks": len(both), "sound_after_flash_ms": round(float(np.median(skew)), 1) if len(both) else None,
        "within_20_ms": round(float(np.mean(np.abs(skew) <= 20)), 3) if len(both) else None,
        "p95_ms": round(float(np.percentile(np.abs(skew), 95)), 1) if len(both) else None, "audio": audio,
        "load": os.getloadavg()[0],
    })  # fmt: skip
    assert len(both) >= 10, f"too few clicks arrived: {len(heard)} heard, {len(seen)} seen"
    assert (
        abs(float(np.median(skew))) < 60
    )  # in emulation; how exact it is, tests/realtime/test_sound_server.py measures
