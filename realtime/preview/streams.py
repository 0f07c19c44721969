"""The page's WebSockets: events, pictures, and the driver's landmarks."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from realtime.preview.desk import Desk

_TICK_S, _FIGURES_EVERY = 0.1, 2


def add_streams(app: FastAPI, desk: Desk) -> None:
    """Add the sockets to the application."""

    @app.websocket("/api/events")
    async def events(socket: WebSocket) -> None:
        """Send `{"state": ..}` at each change and `{"figures": ..}` five times a second."""
        await socket.accept()
        async with _until_gone(socket) as gone:
            known, tick = -1, 0
            while not gone.is_set():
                if desk.version != known:
                    known = desk.version
                    await socket.send_json({"state": await asyncio.to_thread(desk.state)})
                if tick % _FIGURES_EVERY == 0:
                    await socket.send_json({"figures": await asyncio.to_thread(desk.figures)})
                tick += 1
                await asyncio.sleep(_TICK_S)

    @app.websocket("/api/preview")
    async def preview(socket: WebSocket) -> None:
        """Send the newest picture as JPEG each time the client asks by any message: a slow one gets fewer."""
        await _pictures(socket, desk, clear=False)

    @app.websocket("/api/clear")
    async def clear(socket: WebSocket) -> None:
        """The same with the person's opacity below the colours, in a JPEG of twice the height."""
        await _pictures(socket, desk, clear=True)

    @app.websocket("/api/landmarks")
    async def landmarks(socket: WebSocket) -> None:
        """Send the driver's landmarks, ten times a second; pictures follow as JPEG only with --show-driver."""
        await socket.accept()
        desk.tap.watch(1)
        try:
            async with _until_gone(socket) as gone:
                known = 0
                while not gone.is_set():
                    seen, known = desk.tap.newest(known)
                    if seen is not None:
                        points = [] if seen.points is None else seen.points.round(4).ravel().tolist()
                        await socket.send_json({"aspect": seen.aspect, "points": points})
                        if desk.tap.show_driver and seen.rgb is not None:
                            await socket.send_bytes(await asyncio.to_thread(_encode, seen.rgb))
                    await asyncio.sleep(_TICK_S)
        finally:
            desk.tap.watch(-1)


async def _pictures(socket: WebSocket, desk: Desk, clear: bool) -> None:
    """Answer each message with the newest picture that this client has not seen."""
    await socket.accept()
    with _woken(desk, clear) as new:
        seen = -1
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await socket.receive_text()
                while desk.screen.count == seen or not _shown(desk, clear):
                    new.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(new.wait(), 1.0)
                seen = desk.screen.count
                await socket.send_bytes(_shown(desk, clear))


def _shown(desk: Desk, clear: bool) -> bytes:
    return desk.screen.stacked_jpeg if clear else desk.screen.jpeg


@contextlib.asynccontextmanager
async def _until_gone(socket: WebSocket) -> Any:
    """Give an event that is set when the client leaves; what it says is not listened to."""
    gone = asyncio.Event()

    async def listen() -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await socket.receive()
        gone.set()

    listening = asyncio.create_task(listen())
    try:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            yield gone
    finally:
        listening.cancel()


@contextlib.contextmanager
def _woken(desk: Desk, clear: bool) -> Any:
    """Give an event that is set at each new picture."""
    new, loop = asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server ends
            loop.call_soon_threadsafe(new.set)

    key = desk.screen.watch(wake, clear)
    try:
        yield new
    finally:
        desk.screen.leave(key)


def _encode(rgb: Any) -> bytes:
    import cv2

    ok, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])
    return jpeg.tobytes() if ok else b""
