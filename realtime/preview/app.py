"""The page's routes: REST for scripts and Stream Decks, WebSockets for what moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse

from realtime.errors import UserError
from realtime.preview.desk import Desk
from realtime.preview.run_side import Action
from realtime.preview.schema import Background, Devices, Figures, Patch, Problem, Source, State, Switch
from realtime.preview.streams import add_streams

STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {path.name: _TYPES[path.suffix] for path in STATIC.iterdir() if path.suffix in _TYPES}
_NULLABLE = ("size", "canvas")

Id = Annotated[str, PathParameter(pattern="^[0-9a-f]{32}$")]
Name = Annotated[str, PathParameter(min_length=1, max_length=60, pattern=r"^[^/\\\x00-\x1f]+$")]
_REFUSED: dict[int | str, dict[str, Any]] = {422: {"model": Problem}, 404: {"model": Problem}}


def build_app(desk: Desk) -> FastAPI:
    """Return the application around a desk."""
    app = FastAPI(title="FaceAnime Live", version="1", docs_url=None, redoc_url=None,
                  description="Steers the running engine. Events and pictures come over WebSockets: see "
                  "docs/control-page.md.")  # fmt: skip

    @app.exception_handler(UserError)
    async def _user_error(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.exception_handler(KeyError)
    async def _unknown(_: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"detail": "there is no such thing here"}, 404)

    _add_page(app)
    _add_state(app, desk)
    _add_pictures(app, desk)
    _add_presets(app, desk)
    add_streams(app, desk)
    return app


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")

    @app.get("/clear", include_in_schema=False)
    async def clear() -> FileResponse:
        return FileResponse(STATIC / "clear.html", media_type="text/html; charset=utf-8")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> FileResponse:
        if name not in FILES:
            raise HTTPException(404, "nothing here")
        return FileResponse(STATIC / name, media_type=FILES[name])


def _add_state(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/state")
    def get_state() -> State:
        """Return everything that can be chosen, and what the run does."""
        return State(**desk.state())

    @app.patch("/api/state", responses=_REFUSED)
    def patch_state(changes: Patch) -> State:
        """Change what is named; all of it or, when one value is wrong, nothing."""
        given = changes.model_dump(exclude_unset=True)
        desk.patch({k: v for k, v in given.items() if v is not None or k in _NULLABLE})
        return State(**desk.state())

    @app.get("/api/figures")
    def get_figures() -> Figures:
        """Return rates, latency and ms per stage."""
        return Figures(**desk.figures())

    @app.get("/api/devices")
    def get_devices() -> Devices:
        """Return the cameras and whether there is a virtual camera."""
        return Devices(**desk.devices())

    @app.post("/api/calibrate", status_code=204)
    def calibrate() -> None:
        """Take the driver's face of the next second as neutral."""
        desk.calibrate()

    @app.post("/api/freeze")
    def freeze(switch: Switch | None = None) -> State:
        """Hold the picture still, or let it go."""
        return _switch(desk, "freeze", switch)

    @app.post("/api/privacy")
    def privacy(switch: Switch | None = None) -> State:
        """Show the card on every output, or the picture again."""
        return _switch(desk, "privacy", switch)

    @app.post("/api/mirror")
    def mirror(switch: Switch | None = None) -> State:
        """Move like a mirror, or not."""
        return _switch(desk, "mirror", switch)

    @app.post("/api/run/{action}", status_code=202, responses=_REFUSED)
    def run(action: Action) -> None:
        """Start, stop or restart the run; the page stays."""
        desk.act(action)


def _switch(desk: Desk, name: str, switch: Switch | None) -> State:
    on = switch.on if switch is not None and switch.on is not None else not desk.state()[name]
    desk.patch({name: on})
    return State(**desk.state())


def _add_pictures(app: FastAPI, desk: Desk) -> None:
    picture_body = {"requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string",
                    "format": "binary"}}}}}  # fmt: skip

    @app.post("/api/sources", status_code=201, responses=_REFUSED, openapi_extra=picture_body)
    async def add_source(request: Request, name: str = "picture") -> Source:
        """Upload a picture: the body is the file (JPEG, PNG, WebP, BMP, TIFF). It is prepared at once."""
        content = await request.body()
        picture = await asyncio.to_thread(desk.add_source, content, name)
        return Source(**next(s for s in desk.state()["sources"] if s["id"] == picture.id))

    @app.post("/api/sources/{ident}/use", responses=_REFUSED)
    def use_source(ident: Id) -> State:
        """Show a picture as soon as it is ready."""
        desk.use_source(ident)
        return State(**desk.state())

    @app.post("/api/sources/{ident}/prepare", status_code=204, responses=_REFUSED)
    def prepare_source(ident: Id) -> None:
        """Get a picture ready that will probably be shown next."""
        desk.prepare_source(ident)

    @app.delete("/api/sources/{ident}", status_code=204, responses=_REFUSED)
    def remove_source(ident: Id) -> None:
        """Delete an uploaded picture."""
        desk.remove_source(ident)

    @app.get("/api/sources/{ident}/thumbnail", response_class=Response, responses=_REFUSED)
    def source_thumbnail(ident: Id) -> Response:
        """Return a small square of the picture, JPEG."""
        return _jpeg(desk.sources.thumbnail(ident))

    @app.post("/api/backgrounds", status_code=201, responses=_REFUSED, openapi_extra=picture_body)
    async def add_background(request: Request, name: str = "picture") -> Background:
        """Upload a background picture: the body is the file."""
        content = await request.body()
        picture = await asyncio.to_thread(desk.add_background, content, name)
        return Background(id=picture.id, name=picture.name)

    @app.delete("/api/backgrounds/{ident}", status_code=204, responses=_REFUSED)
    def remove_background(ident: Id) -> None:
        """Delete a background picture."""
        desk.remove_background(ident)

    @app.get("/api/backgrounds/{ident}/thumbnail", response_class=Response, responses=_REFUSED)
    def background_thumbnail(ident: Id) -> Response:
        """Return a small square of the background, JPEG."""
        return _jpeg(desk.backgrounds.thumbnail(ident))

    @app.get("/api/preview.jpg", response_class=Response, responses=_REFUSED)
    def snapshot() -> Response:
        """Return the newest picture, JPEG."""
        return _jpeg(desk.screen.snapshot() or None)


def _jpeg(content: bytes | None) -> Response:
    if content is None:
        raise KeyError("picture")
    return Response(content, media_type="image/jpeg")


def _add_presets(app: FastAPI, desk: Desk) -> None:
    @app.put("/api/presets/{name}", responses=_REFUSED)
    def keep_preset(name: Name) -> State:
        """Keep source, background, gains and motion as they are now under a name."""
        desk.keep_preset(name)
        return State(**desk.state())

    @app.post("/api/presets/{name}/use", responses=_REFUSED)
    def use_preset(name: Name) -> State:
        """Show what was kept under a name."""
        desk.use_preset(name)
        return State(**desk.state())

    @app.delete("/api/presets/{name}", status_code=204, responses=_REFUSED)
    def drop_preset(name: Name) -> None:
        """Forget what was kept under a name."""
        desk.drop_preset(name)


Build = Callable[[Desk], FastAPI]
