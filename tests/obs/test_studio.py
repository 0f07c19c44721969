"""What a real OBS Studio shows of the engine's stream, how late, and whether its microphone is kept in step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from coded import decode
from sender import CodedSender
from studio import Studio, free_port

from realtime.config import Config
from realtime.errors import OutputError
from realtime.obs import PASSWORD_VARIABLE, ObsSync
from realtime.outputs.udp import UdpOutput

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "obs"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with Studio(tmp_path_factory.mktemp("obs")) as running:
        running.client.create_input(running.scene, "Mic/Aux", "pulse_input_capture", {}, True)
        yield running


@pytest.fixture(scope="module")
def figures(studio: Studio) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {"obs": studio.client.get_version().obs_version,
                             "seconds_to_start": round(studio.seconds_to_start, 1)}  # fmt: skip
    yield found
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def luma(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("listens_first", [True, False])
def test_stream_latency_by_a_coded_clock(studio: Studio, figures: dict[str, Any], listens_first: bool) -> None:
    """Each screenshot of the source tells by its number when it left the engine."""
    port, name = free_port(2), f"clock {listens_first}"
    config = Config()
    sender = CodedSender(UdpOutput(f"udp://127.0.0.1:{port}", config), 640, 360, config, 900)
    if listens_first:
        studio.add_stream(name, f"udp://127.0.0.1:{port}")
        time.sleep(1)
    with sender:
        if not listens_first:
            time.sleep(2)
            studio.add_stream(name, f"udp://127.0.0.1:{port}")
        first_ns = time.monotonic_ns()
        seen: list[tuple[int, int, int]] = []
        while len(seen) < 60 and time.monotonic_ns() < first_ns + 40 * 10**9:
            asked_ns = time.monotonic_ns()
            picture = studio.picture(name, "jpg", 320)
            got_ns = time.monotonic_ns()
            number = None if picture is None else decode(luma(picture))
            if number is not None:
                if not seen:
                    figures[f"first_picture_s listens_first={listens_first}"] = round((got_ns - first_ns) / 1e9, 1)
                seen.append((number, asked_ns, got_ns))
            time.sleep(0.1)
        studio.client.remove_input(name)
    assert len(seen) == 60, "OBS never showed the stream"
    left = {seq: start for seq, start, _ in reversed(sender.log)}
    settled = seen[10:]
    # The picture was drawn somewhere between question and answer: the middle, give or take half of that.
    delay = [((asked + got) / 2 - left[number]) / 1e6 for number, asked, got in settled if number in left]
    question = [(got - asked) / 1e6 for _, asked, got in settled]
    spread = {f"p{q}": round(float(np.percentile(delay, q)), 1) for q in (5, 50, 95)}
    figures[f"latency_ms listens_first={listens_first}"] = {
        **spread,
        "question_p50": round(float(np.median(question)), 1),
    }
    assert len({number for number, _, _ in settled}) > 30, "a still"
    assert spread["p50"] < 1000


def test_obs_shows_the_puppet_and_keeps_the_microphone_in_step(studio: Studio, tmp_path: Path,
                                                               figures: dict[str, Any]) -> None:  # fmt: skip
    """The whole engine: its stream in OBS is its own picture; the offset is the measured delay, and is put back."""
    port, video, report = free_port(2), tmp_path / "out.mp4", tmp_path / "report.json"
    studio.client.set_input_audio_sync_offset("Mic/Aux", 7)
    studio.add_stream("puppet", f"udp://127.0.0.1:{port}")
    process = subprocess.Popen(
        [sys.executable, "run_live.py", "--driver", "imagine", "--output", f"udp://127.0.0.1:{port}", "--output",
         str(video), "--seconds", "20", "--report", str(report), "--obs", f"ws://127.0.0.1:{studio.port}"],
        cwd=ROOT, env=os.environ | {PASSWORD_VARIABLE: studio.password}, stderr=subprocess.PIPE, text=True)  # fmt: skip
    pictures: list[np.ndarray] = []
    offsets: list[int] = []
    while process.poll() is None:
        picture = studio.picture("puppet")
        if picture is not None and picture.std() > 10:
            pictures.append(picture)
            offsets.append(int(studio.client.get_input_audio_sync_offset("Mic/Aux").input_audio_sync_offset))
        time.sleep(0.3)
    words = process.communicate()[1]
    assert process.returncode == 0, words
    assert "sync offset of `Mic/Aux` follows the picture" in words
    assert len(pictures) >= 3  # a busy machine takes seconds for one
    with av.open(str(video)) as container:
        made = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    height, width = pictures[0].shape[:2]
    grey = [luma(np.ascontiguousarray(rgb[:height, :width])) for rgb in made]
    gaps = [[float(cv2.absdiff(one, luma(picture)).mean()) for one in grey] for picture in pictures]
    away = [min(g) for g in gaps]
    twins = [made[int(np.argmin(g))] for g in gaps]  # colours are compared with the picture that OBS shows
    pairs = zip(pictures, twins, strict=True)
    colour = [float(np.abs(one.mean((0, 1)) - twin[:height, :width].mean((0, 1))).max()) for one, twin in pairs]
    OUT.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(OUT / "puppet.png"), np.hstack([pictures[-1], made[-1][:height, :width]])[..., ::-1])
    last = json.loads(report.read_text())
    figures["puppet"] = {
        "screenshots": len(pictures), "mean_luma_difference_to_file": round(float(np.median(away)), 2),
        "mean_colour_difference": round(max(colour), 2), "offsets_ms": sorted(set(offsets)),
        "report": last["obs"], "apparent_lag_ms": last["apparent_lag_ms"], "latency_ms": last["latency_ms"],
    }  # fmt: skip
    assert max(away) < 5, "OBS shows something else than the engine made"
    assert max(colour) < 4, "the colours are off"
    lag = last["apparent_lag_ms"] if last["apparent_lag_ms"] is not None else last["latency_ms"]["p50"]
    assert last["obs"]["sync_offset_ms"] == pytest.approx(lag + Config().obs_extra, abs=25)
    assert last["obs"]["sync_offset_ms"] in offsets
    assert studio.client.get_input_audio_sync_offset("Mic/Aux").input_audio_sync_offset == 7, "not put back"


def test_wrong_password_and_wrong_microphone_are_said(studio: Studio) -> None:
    address = f"ws://127.0.0.1:{studio.port}"
    with pytest.raises(OutputError, match=f"OBS refuses.*{PASSWORD_VARIABLE}"):
        ObsSync(address, "wrong", "", 0, lambda _: None)
    with pytest.raises(OutputError, match=r"has no such input; it has .*Mic/Aux"):
        ObsSync(address, studio.password, "Nobody", 0, lambda _: None)
    with pytest.raises(OutputError, match="no OBS answers"):
        ObsSync(f"ws://127.0.0.1:{free_port()}", "", "", 0, lambda _: None)
