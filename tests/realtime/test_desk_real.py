"""Steering with the real models: another source, another background, no gap at the output."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from desk_fakes import wait_for
from fakes import Collector
from PIL import Image, ImageOps

from realtime.assembly import source_path
from realtime.backdrop import GREEN
from realtime.config import Config
from realtime.pipeline import Engine
from realtime.preview.desk import Desk


def test_real_sources_and_backgrounds_change_while_it_runs(tmp_path: Path) -> None:
    portrait = source_path(Config(), lambda _: None)
    other = tmp_path / "other.png"
    ImageOps.mirror(Image.open(portrait).convert("RGB")).resize((300, 300)).save(other)
    config = Config(driver="imagine", size=192, generator="off", source=str(portrait))
    desk, out = Desk(config, folder=tmp_path / "desk"), Collector()
    engine = Engine(config, outputs=[out], desk=desk)
    running = threading.Thread(target=engine.run, daemon=True)
    running.start()
    try:
        wait_for(lambda: len(out.sent) > 10, 120)
        shape = out.sent[0].rgb.shape
        desk.patch({"background": "green"})
        wait_for(lambda: np.abs(out.sent[-1].rgb[4, 4].astype(int) - GREEN).max() < 12, 90)
        face = out.sent[-1].rgb[shape[0] // 2, shape[1] // 2].astype(int)
        assert np.abs(face - GREEN).max() > 40  # the person is still there
        made = desk.add_source(other.read_bytes(), "other")
        desk.use_source(made.id)
        wait_for(lambda: out.sent[-1].look == 1, 120)
        assert desk.state()["source"] == made.id
        wait_for(lambda: len(out.sent) > 3 and out.sent[-3].look == 1)
        new = out.sent[-1].rgb
        assert new.shape == shape  # the output keeps its size; a square picture stands in the middle of it
        middle = new[shape[0] // 2 - 60 : shape[0] // 2 - 50, 20]
        assert np.abs(middle.astype(int) - GREEN).max() < 40  # the background is the desk's, not the source's
        desk.patch({"size": 128})
        wait_for(lambda: out.sent[-1].look == 2, 120)
        assert all(c.rgb.shape == shape for c in out.sent)
        assert engine._meter.snapshot()["render_errors"] == 0
    finally:
        engine.stop()
        running.join(20)
    assert not running.is_alive()
