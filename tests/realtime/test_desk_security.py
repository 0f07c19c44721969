"""The control page as an attacker meets it: other sites, other machines, hostile files."""

from __future__ import annotations

import http.client
import io
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from desk_fakes import Live, free_port, live, png
from fakes import Collector
from PIL import Image
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from realtime.config import Config
from realtime.preview.desk import Desk
from realtime.preview.gallery import PictureError, clean
from realtime.preview.guard import is_loopback
from realtime.preview.server import PageServer
from realtime.types import Composite


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("desk")) as made:
        yield made


def ask(
    port: int, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    link.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = link.getresponse()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "127.0.0.1:1",
                                  "localhost", "", "10.0.0.5:{port}"])  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/clear", "/api/state", "/api/preview.jpg", "/openapi.json", "/static/desk.js"])
def test_a_foreign_name_that_resolves_here_gets_nothing(run: Live, host: str, path: str) -> None:
    """DNS rebinding: the attacker's name points at 127.0.0.1, so the browser sends its name as Host."""
    status, _, body = ask(run.config.port, "GET", path, Host=host.format(port=run.config.port))
    assert status == 403
    assert b"version" not in body


STEERING = [("POST", "/api/calibrate"), ("POST", "/api/privacy"), ("POST", "/api/freeze"), ("PATCH", "/api/state"),
            ("POST", "/api/sources"), ("PUT", "/api/presets/x"), ("POST", "/api/run/stop"), ("GET", "/api/state"),
            ("OPTIONS", "/api/state"), ("DELETE", "/api/presets/x")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), STEERING)
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}",
                                    "http://localhost.evil.example:{port}"])  # fmt: skip
def test_another_page_cannot_steer(run: Live, method: str, path: str, origin: str) -> None:
    origin = origin.format(port=run.config.port)
    body = b'{"privacy": true}'
    status, headers, _ = ask(run.config.port, method, path, body, Origin=origin, Content_Type="text/plain")
    assert status == 403
    assert not any(name.startswith("access-control") for name in headers)
    assert json.loads(ask(run.config.port, "GET", "/api/state")[2])["privacy"] is False


def test_another_page_cannot_embed_pictures_or_frames(run: Live) -> None:
    """An <img> on another site sends no Origin, but the browser says where it comes from."""
    for site in ("cross-site", "same-site"):
        assert ask(run.config.port, "GET", "/api/preview.jpg", Sec_Fetch_Site=site)[0] == 403
    status, headers, _ = ask(run.config.port, "GET", "/", Sec_Fetch_Site="cross-site")  # a link to the page is fine
    assert status == 200
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/events", "/api/preview", "/api/landmarks"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_websockets_of_another_page_are_refused(run: Live, path: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{run.config.port}{path}", origin=origin)  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403


def test_websocket_under_a_foreign_name_is_refused(run: Live) -> None:
    with socket.create_connection(("127.0.0.1", run.config.port)) as link, pytest.raises(InvalidStatus):
        connect(f"ws://evil.example:{run.config.port}/api/events", sock=link)


def test_every_answer_has_the_headers_and_the_page_no_inline_code(run: Live) -> None:
    for path in ("/", "/clear", "/api/state", "/api/nothing", "/static/desk.js", "/api/preview.jpg"):
        _, headers, body = ask(run.config.port, "GET", path)
        assert headers["x-content-type-options"] == "nosniff", path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        if path == "/":
            page = body.decode()
            assert "style=" not in page
            assert "<script>" not in page
            assert " onclick" not in page
            assert "http://" not in page.replace("udp://127.0.0.1:9000", "")
            assert "https://" not in page  # nothing from elsewhere: it works offline


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py",
                                  "/..%2f..%2fetc/passwd",
                                  "/static//etc/passwd", "/api/sources/..%2f..%2fsettings/thumbnail", "/docs", "/redoc",
                                  "/api/sources/" + "a" * 31 + "/thumbnail", "/api/sources/%00/thumbnail"])  # fmt: skip
def test_no_path_leads_out(run: Live, path: str) -> None:
    status, _, body = ask(run.config.port, "GET", path)
    assert status in (404, 422)
    assert b"root:" not in body
    assert b"import" not in body


def bomb(side: int = 60_000) -> bytes:
    """A PNG of a few kilobytes that claims side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )


HOSTILE = {
    "html": b"<html><script>alert(1)</script>", "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>",
    "pdf": b"%PDF-1.7 ...", "empty": b"", "bomb": bomb(), "wide": bomb(9_000), "cut": png((9, 9, 9))[:60],
    "zip": b"PK\x03\x04" + b"\0" * 100, "tiny": png((9, 9, 9), 3), "script": b"#!/bin/sh\nrm -rf /",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "gif": png((1, 1, 1), kind="GIF"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("path", ["/api/sources", "/api/backgrounds"])
def test_hostile_files_are_refused_and_leave_nothing(run: Live, kind: str, path: str) -> None:
    before = json.loads(ask(run.config.port, "GET", "/api/state")[2])
    status, _, body = ask(run.config.port, "POST", f"{path}?name=x.png", HOSTILE[kind], Content_Type="image/png")
    assert status == 422, body
    assert "detail" in json.loads(body)
    after = json.loads(ask(run.config.port, "GET", "/api/state")[2])
    assert (after["sources"], after["backgrounds"]) == (before["sources"], before["backgrounds"])


def test_too_large_an_upload_is_cut_off(run: Live) -> None:
    assert ask(run.config.port, "POST", "/api/sources", b"\0" * 26_000_000)[0] == 413
    with socket.create_connection(("127.0.0.1", run.config.port), timeout=10) as link:  # no length: counted as it comes
        link.sendall(f"POST /api/sources HTTP/1.1\r\nHost: 127.0.0.1:{run.config.port}\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n".encode())  # fmt: skip
        try:
            for _ in range(30):
                link.sendall(b"f4240\r\n" + b"\0" * 1_000_000 + b"\r\n")
            link.sendall(b"0\r\n\r\n")
            answer = link.recv(200)
        except OSError:
            answer = b""
    assert b" 201 " not in answer
    assert ask(run.config.port, "GET", "/api/state")[0] == 200


def test_what_is_kept_is_only_pixels() -> None:
    """Place, comments and whatever hangs behind the picture are gone: it was drawn anew."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x010E], exif[0x0112] = "secret place", 6
    picture = Image.new("RGB", (200, 100), (10, 200, 30))
    picture.save(out, "JPEG", exif=exif)
    made, suffix = clean(out.getvalue() + b"<script>alert(1)</script>")
    assert suffix == ".jpg"
    assert b"secret" not in made
    assert b"script" not in made
    assert Image.open(io.BytesIO(made)).size == (100, 200)  # upright
    with pytest.raises(PictureError, match=r"megapixels|unpacks"):
        clean(bomb())


def test_names_never_become_paths(run: Live, tmp_path: Path) -> None:
    for name in ("..%2F..%2Fevil", "%2Fetc%2Fcron.d%2Fx", "a%00b", "C%3A%5Cx.png", "%3Cimg%20src%3Dx%3E"):
        body = png((len(name), 3, 7))
        made = json.loads(ask(run.config.port, "POST", f"/api/sources?name={name}", body)[2])
        assert not set(made["name"]) & set("/\\<>\0:")
        assert ask(run.config.port, "DELETE", f"/api/sources/{made['id']}")[0] == 204


def test_other_machines_need_the_token() -> None:
    port = free_port()
    server = PageServer(Desk(Config(port=port), folder=Path("no-such-folder")), Config(port=port, host="0.0.0.0"))
    assert server.token is not None
    assert PageServer(server._desk, Config(port=port)).token is None
    server.start()
    try:
        token = server.token
        assert ask(port, "GET", "/")[0] == 401
        assert ask(port, "GET", "/api/state")[0] == 401
        assert ask(port, "GET", "/api/state", Authorization="Bearer wrong")[0] == 401
        assert ask(port, "GET", "/api/state", Authorization=f"Bearer {token}")[0] == 200
        assert ask(port, "GET", "/api/state", Host="evil.example", Authorization=f"Bearer {token}")[0] == 403
        assert ask(port, "GET", "/api/state", Host=f"192.168.1.7:{port}", Authorization=f"Bearer {token}")[0] == 200
        status, headers, _ = ask(port, "GET", f"/?token={token}&x=1")
        assert (status, headers["location"]) == (303, "/?x=1")  # out of the address bar and the history
        assert "HttpOnly" in headers["set-cookie"]
        assert "SameSite=Strict" in headers["set-cookie"]
        cookie = headers["set-cookie"].partition(";")[0]
        assert ask(port, "GET", "/api/state", Cookie=cookie)[0] == 200
        for refused in ({}, {"additional_headers": {"Cookie": cookie[:-2]}}):
            with pytest.raises(InvalidStatus):
                connect(f"ws://127.0.0.1:{port}/api/events", **refused)  # type: ignore[arg-type]
        with connect(f"ws://127.0.0.1:{port}/api/events", additional_headers={"Cookie": cookie}) as link:
            assert "state" in json.loads(link.recv(5))
    finally:
        server.stop()


def test_only_this_machine_is_this_machine() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "192.168.1.2", "::", "pc.lan", "127.0.0.1.evil.example"))


def test_curtain_is_in_front_of_every_output_whatever_the_engine_does() -> None:
    """Privacy needs no engine: the very next picture that an output gets is the card, at its own size."""
    from realtime.curtain import Curtain
    from realtime.outputs.staged import Staged

    curtain, out = Curtain(), Collector()
    staged = Staged(out, (80, 60), curtain)
    face = np.full((90, 70, 3), 255, np.uint8)
    staged.send(Composite(1, 0, face, 0))
    curtain.draw(True)
    staged.send(Composite(1, 0, face, 0))
    curtain.draw(False)
    staged.send(Composite(1, 0, face, 0))
    assert [c.rgb.shape for c in out.sent] == [(60, 80, 3)] * 3
    assert [int(c.rgb.max()) == 255 for c in out.sent] == [True, False, True]
    assert out.sent[1].motion is None
