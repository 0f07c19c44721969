"""Where imagined motion starts: at rest, or where a video ends; a video without a face is refused in one line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.face import FaceParams
from models.motion import neutral_params
from realtime import assembly
from realtime.capture.clip_end import clip_end
from realtime.config import Config
from realtime.errors import DriverError
from realtime.notices import log_notice


@pytest.fixture
def video(tmp_path: Path) -> Path:
    av = pytest.importorskip("av")
    path = tmp_path / "grey.mp4"
    with av.open(str(path), "w") as box:
        stream = box.add_stream("libx264", rate=Fraction(25))
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for i in range(150):
            picture = np.full((64, 64, 3), 40 + i, np.uint8)
            box.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        box.mux(stream.encode())
    return path


class Tracker:
    """Sees a head that moves 50 mm/s to the right, or nothing."""

    sees = True

    def track(self, rgb: Any, captured_ns: int) -> tuple[FaceParams | None, float]:
        rest = neutral_params()
        moved = np.array([50e-9 * captured_ns, 0.0, 400.0])
        return (rest.with_(translation=moved), 1.0) if self.sees else (None, 0.0)

    def close(self) -> None:
        pass


def test_only_the_end_of_a_clip_is_kept(video: Path) -> None:
    kept = clip_end(video, 2.0, 1280, log_notice)
    assert kept[-1].seq == 149
    assert 48 <= len(kept) <= 52


def test_motion_goes_on_where_and_as_fast_as_the_clip_ended(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "_tracker", lambda config: Tracker())
    start = assembly._imagine_start(Config(imagine_from=str(video)), log_notice)
    assert start.speed[3] == pytest.approx(50.0, rel=1e-3)
    assert start.row[3] == pytest.approx(100.0, rel=0.03)  # the median of the last four seconds is two seconds back


def test_a_clip_without_a_face_is_refused(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = Tracker()
    tracker.sees = False
    monkeypatch.setattr(assembly, "_tracker", lambda config: tracker)
    with pytest.raises(DriverError, match="show no face"):
        assembly._imagine_start(Config(imagine_from=str(video)), log_notice)


def test_a_display_lead_is_added_to_the_measured_latency() -> None:
    from fakes import stages

    from realtime.clock import FakeClock
    from realtime.meter import Meter
    from realtime.performer import Performer

    meter = Meter(FakeClock())
    meter.latency(0, 40_000_000)
    assert Performer(stages(), Config(display_lead=25.0), meter, log_notice)._lookahead_ns() == 65_000_000
    assert Performer(stages(), Config(display_lead=140.0), meter, log_notice)._lookahead_ns() == 150_000_000
    assert Performer(stages(), Config(lookahead=0.0, display_lead=25.0), meter, log_notice)._lookahead_ns() == 0
