"""Chromium's getUserMedia on a real v4l2loopback: what a call in the browser would get. Runs in the virtual machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from coded import BARS, decode_row
from guest import SHARE, load, note, sending, unload, wait_for

from realtime.outputs.loopback import read_format

WIDTH, HEIGHT, COUNT = 640, 360, 20
FPS, PICTURES = 10, 300  # numbers go round in 30 s: the browser may be seconds late here
PATIENCE_S = 600  # the browser starts in an emulated machine
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--use-fake-ui-for-media-stream", "--disable-extensions", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--mute-audio", "--disable-features=AudioServiceOutOfProcess,Translate",
)  # fmt: skip

# The row through the code, top to bottom of the bars, for every new picture; a page of its own, without help from us.
PAGE = """<!doctype html><title>call</title><video muted playsinline></video><script>
const tell = found => fetch("/found", {method: "POST", body: JSON.stringify(found)});
(async () => {
  const names = async () => (await navigator.mediaDevices.enumerateDevices())
    .filter(d => d.kind === "videoinput").map(d => d.label);
  const stream = await navigator.mediaDevices.getUserMedia({video: {width: WIDTH, height: HEIGHT}});
  const video = document.querySelector("video"), canvas = document.createElement("canvas");
  video.srcObject = stream;
  await video.play();
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const pen = canvas.getContext("2d", {willReadFrequently: true}), rows = [], bars = [], start = performance.now();
  const line = y => [...pen.getImageData(0, y, canvas.width, 1).data];
  const look = () => {
    pen.drawImage(video, 0, 0);
    rows.push(line(canvas.height >> 3).filter((_, i) => i % 4 === 1));
    bars.push(line(canvas.height * 3 >> 2).filter((_, i) => i % 4 !== 3));
    if (rows.length < COUNT) video.requestVideoFrameCallback(look);
    else tell({rows, bars: bars.slice(-1)[0], names: null, width: canvas.width, height: canvas.height,
               seconds: (performance.now() - start) / 1e3, settings: stream.getVideoTracks()[0].getSettings(),
               label: stream.getVideoTracks()[0].label, agent: navigator.userAgent}).then(async () =>
               tell({names: await names()}));
  };
  video.requestVideoFrameCallback(look);
})().catch(error => tell({error: String(error)}));
</script>"""


@pytest.fixture
def call() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A page that opens the camera, and what it told; served from this machine, so that the browser trusts it."""
    found: list[dict[str, Any]] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = PAGE.replace("WIDTH", str(WIDTH)).replace("HEIGHT", str(HEIGHT)).replace("COUNT", str(COUNT))
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", found
    server.shutdown()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed: run make test-browser first")
def test_a_page_in_chromium_gets_the_picture(call: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    """The camera is listed by name and opens at its size; its pictures are new, whole, in order, and coloured."""
    address, found = call
    load(buffers=4)
    log = (SHARE / "chromium.log").open("wb")
    start = time.monotonic()
    with sending(WIDTH, HEIGHT, pictures=PICTURES, canvas=(WIDTH, HEIGHT), fps=FPS) as sent:
        wait_for(lambda: read_format("/dev/video10"))
        profile = f"--user-data-dir={tmp_path}"
        browser = subprocess.Popen(["chromium", *FLAGS, profile, "--enable-logging=stderr", address], stderr=log)
        try:
            end = time.monotonic() + PATIENCE_S
            while len(found) < 2 and "error" not in (found or [{}])[0] and browser.poll() is None:
                if time.monotonic() > end:
                    pytest.skip(f"no verdict: the guest was too slow, the browser had not answered in {PATIENCE_S} s")
                time.sleep(0.2)
        finally:
            took = time.monotonic() - start
            browser.kill()
            browser.wait()
    wait_for(lambda: unload().returncode == 0)
    assert found, f"the browser ended: {browser.returncode}"
    first = found[0]
    assert "error" not in first, first["error"]
    numbers = [decode_row(row) for row in first["rows"]]
    steps = [(b - a) % PICTURES for a, b in pairwise(numbers) if a is not None and b is not None]
    edges = [WIDTH * part // len(BARS) // 4 * 4 + WIDTH // len(BARS) // 2 for part in range(len(BARS))]
    shown = [first["bars"][3 * x : 3 * x + 3] for x in edges]
    worst = max(abs(a - b) for bar, colour in zip(shown, BARS, strict=True) for a, b in zip(bar, colour, strict=True))
    note("chromium", {
        "label": first["label"], "names": found[1]["names"], "agent": first["agent"].split("Chrome/")[-1].split(" ")[0],
        "size": [first["width"], first["height"]], "pictures": len(numbers), "seconds": round(first["seconds"], 1),
        "new": len({n for n in numbers if n is not None}), "unreadable": numbers.count(None), "worst_rgb_error": worst,
        "rate_told": first["settings"].get("frameRate"), "until_done_s": round(took), "ticks_missed": sent.missed,
    })  # fmt: skip
    assert "FaceAnime" in first["label"]
    assert any("FaceAnime" in name for name in found[1]["names"])
    assert not any("Shared" in name for name in found[1]["names"]), "browsers have begun to show open_caps devices"
    assert (first["width"], first["height"]) == (WIDTH, HEIGHT)
    assert None not in numbers, "torn pictures"
    assert len(set(numbers)) > COUNT // 3
    assert all(step < PICTURES // 2 for step in steps), f"out of order: {numbers}"
    assert worst <= 6  # there and back through BT.601 limited range, and the browser's own rounding
