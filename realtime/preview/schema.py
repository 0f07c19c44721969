"""What travels between the page and the desk, as the OpenAPI file shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Region = Literal["brows", "eyes", "gaze", "mouth", "jaw", "cheeks", "head"]
Strength = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
Lost = Literal["imagine", "freeze", "card"]


class Source(BaseModel):
    """A picture of the gallery."""

    id: str = Field(description="hash of its content")
    name: str
    own: bool = Field(description="uploaded, so that it can be deleted; false: named on the command line")
    status: Literal["new", "preparing", "ready", "failed"]
    error: str | None


class Background(BaseModel):
    """An uploaded background picture."""

    id: str
    name: str


class Line(BaseModel):
    """Something the engine said."""

    kind: Literal["chose", "note", "warning"]
    text: str


class State(BaseModel):
    """Everything that can be chosen, and what the run does."""

    version: int = Field(description="grows with each change")
    run: Literal["starting", "running", "stopped"]
    error: str | None = Field(description="why the last run ended, if it did not end well")
    source: str | None = Field(description="id of the picture that is shown or about to be")
    sources: list[Source]
    backgrounds: list[Background]
    gains: dict[Region, float] = Field(description="how strongly each region follows the driver, 0..2")
    lookahead: float | Literal["auto"] = Field(description="ms of prediction")
    smoothing: float = Field(description="ms of smoothing on top of the predictor's")
    mirror: bool
    generator: bool
    background: str = Field(description="own, blur, green, alpha, #RRGGBB or picture:ID")
    lost: Lost = Field(description="what is shown while the driver's face is lost")
    size: int | None = Field(description="longer side of the picture, px; null: as it fits")
    freeze: bool
    privacy: bool = Field(description="every output shows a card")
    driver: str
    outputs: list[str]
    fps: int
    canvas: tuple[int, int] | None
    restart_needed: list[str] = Field(description="fields that the running run does not follow yet")
    can_restart: bool
    presets: list[str]
    notices: list[Line]
    show_driver: bool
    upload_mb: int


class Patch(BaseModel):
    """Changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    gains: dict[Region, Strength] | None = None
    lookahead: Annotated[float, Field(ge=0, le=500)] | Literal["auto"] | None = None
    smoothing: Annotated[float, Field(ge=0, le=500)] | None = None
    mirror: bool | None = None
    generator: bool | None = None
    background: Word | None = Field(None, description="own, blur, green, alpha, #RRGGBB or picture:ID")
    lost: Lost | None = None
    size: Annotated[int, Field(ge=64, le=4096)] | None = Field(None, description="null: as it fits")
    freeze: bool | None = None
    privacy: bool | None = None
    driver: Word | None = Field(None, description="auto, imagine or a camera number; takes effect at a restart")
    outputs: Annotated[list[Word], Field(max_length=8)] | None = Field(
        None, description="vcam, udp://.., vmc://..; the page stays; takes effect at a restart"
    )
    fps: Annotated[int, Field(ge=1, le=120)] | None = Field(None, description="takes effect at a restart")
    canvas: tuple[int, int] | None = Field(None, description="width and height; takes effect at a restart")


class Switch(BaseModel):
    """On, off, or the other way round."""

    model_config = ConfigDict(extra="forbid")

    on: bool | None = Field(None, description="left out: toggle")


class Percentiles(BaseModel):
    """ms over the last 90 frames."""

    p50: float | None
    p95: float | None
    p99: float | None


class Served(BaseModel):
    """How an output is served, since the start of the run; a still is the time between two different pictures."""

    pictures: int
    repeated: int
    ticks_missed: int
    longest_gap_ms: float
    gaps_over_100_ms: int
    longest_still_ms: float
    stills_over_100_ms: int


class Figures(BaseModel):
    """How the run does; figures of the last 90 frames, counts since its start."""

    model_config = ConfigDict(extra="allow")

    run: str
    fps: float | None = None
    fps_in: float | None = None
    frames_in: int = 0
    frames_out: int = 0
    dropped: int = 0
    driven: bool = False
    viewers: int = 0
    latency_ms: Percentiles | None = None
    latencies_ms: list[float] = Field(default=[], description="of the last 90 driven frames, ms, oldest first")
    latencies_total: int = Field(0, description="how many there were since the start")
    stages_ms: dict[str, Percentiles] = {}
    sent: dict[str, Served] = Field(default={}, description="by the output's name")


class Camera(BaseModel):
    """A webcam."""

    driver: str = Field(description="what to set `driver` to")
    name: str


class Devices(BaseModel):
    """What can be chosen on this machine."""

    cameras: list[Camera]
    virtual_camera: bool
    why_not: str | None = Field(description="why there is no virtual camera")


class Problem(BaseModel):
    """What went wrong, in words for the user."""

    detail: str
