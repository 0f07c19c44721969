"""Who may talk to the page: this machine's browsers on this page, and scripts; other sites and other machines not.

A plain ASGI layer around everything, WebSockets included, so that no route can be forgotten.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "faceanime"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
          "frame-ancestors 'none'; base-uri 'none'; form-action 'none'")  # fmt: skip
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks Host, Origin, token and size of every request, and adds the headers that every answer has."""

    def __init__(self, app: App, host: str, port: int, token: str | None, most_bytes: int) -> None:
        self._app, self._port, self._token, self._most = app, port, token, most_bytes
        names = {"127.0.0.1", "localhost", "[::1]"} | ({host} if not _is_any(host) else set())
        self._hosts = {f"{name}:{port}" for name in names} | ({*names} if port == 80 else set())
        self._any_address = _is_any(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what may not pass, pass on the rest."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(scope, receive, send, *refusal)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif self._token is not None and _query(scope).get("token"):
            await self._enter(scope, send)
        else:
            await self._app(scope, self._counted(receive), _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return status and reason of a request that may not pass."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return 403, "this name is not this page's (Host)"  # a foreign name that resolves here: DNS rebinding
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "another page may not steer this one (Origin)"
        path = scope["path"]
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and path != "/":
            return 403, "another page may not ask for this (Sec-Fetch-Site)"
        if self._token is not None and not self._knows_token(scope, headers):
            return 401, "open the address with the token that was printed at the start"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            return 413, f"more than {self._most // 1_000_000} MB"
        return None

    def _is_ours(self, host: str) -> bool:
        if host.lower() in self._hosts:
            return True
        name, _, port = host.rpartition(":")
        if not self._any_address or port != str(self._port):
            return False
        try:  # listening everywhere, reached by number: a name that was rebound is never a number
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _knows_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        assert self._token is not None
        cookies = dict(part.strip().partition("=")[::2] for part in headers.get("cookie", "").split(";"))
        offered = (headers.get("authorization", "").removeprefix("Bearer "), cookies.get(f"{COOKIE}{self._port}", ""),
                   _query(scope).get("token", ""))  # fmt: skip
        return any([hmac.compare_digest(word.encode(), self._token.encode()) for word in offered])

    async def _enter(self, scope: Scope, send: Send) -> None:
        """Put the token into a cookie and out of the address bar."""
        rest = urlencode([(k, v) for k, v in parse_qsl(scope["query_string"].decode("latin-1")) if k != "token"])
        cookie = f"{COOKIE}{self._port}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        place = scope["path"] if scope["path"].startswith("/") and not scope["path"].startswith("//") else "/"
        headers = [(b"location", (place + (f"?{rest}" if rest else "")).encode("latin-1", "ignore")),
                   (b"set-cookie", cookie.encode())]  # fmt: skip
        await _with_headers(send)({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _counted(self, receive: Receive) -> Receive:
        """Return a `receive` that ends a body which is longer than it said, or did not say."""
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            return {"type": "http.disconnect"} if got > self._most else message

        return counted


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            extra = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in present]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return sending


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    body = f'{{"detail": "{why}"}}'.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))


def _is_any(host: str) -> bool:
    return host in ("0.0.0.0", "::", "")
