"""The home of every default: one frozen dataclass, from which the command line is made (`realtime/cli.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from models.transfer import Gains
from realtime.errors import ConfigError

Pace = Literal["live", "offline"]

REGIONS = ("brows", "eyes", "gaze", "mouth", "jaw", "cheeks", "head")
HELP_COMMAND = "Run `python run_live.py --help` for the flags"


def flag(default: Any, text: str, **extra: Any) -> Any:
    """Return a dataclass field that is also a command-line flag; `extra` may hold choices, metavar, repeat, name."""
    return field(default=default, metadata={"flag": True, "help": text, **extra})


def gain(region: str) -> Any:
    """Return the field of one region's strength."""
    return flag(1.0, f"strength of the {region}, 0..2", metavar="X", low=0.0, high=2.0)


@dataclass(frozen=True)
class Config:
    """Everything that can be chosen about a run; fields marked as flags are on the command line too.

    Raises `ConfigError` for a value out of range.
    """

    # What comes in, what goes out.
    driver: str = flag("auto", "who moves the picture: camera number, video file, stream URL, vmc://:39540 or "
                       "ifacialmocap://PHONE (a phone's tracking), `imagine`, or auto (the first camera, else imagine)",
                       metavar="auto|INDEX|FILE|imagine|URL")  # fmt: skip
    source: str = flag("", "the picture to animate (default: a public-domain portrait)", metavar="IMAGE")
    output: tuple[str, ...] = flag(("auto",), "where pictures go; may be given several times: vcam (or vcam:DEVICE), "
                                   "preview, null, a video file, udp://host:port, vmc://host:39539 (the driver's "
                                   "expression as numbers), or auto (virtual camera, else the preview page)",
                                   metavar="auto|vcam|preview|null|FILE.mp4|udp://..|vmc://..",
                                   repeat=True)  # fmt: skip
    overwrite: bool = flag(False, "replace an output file that exists")
    port: int = flag(8000, "port of the preview page on 127.0.0.1", metavar="N", low=1, high=65535)
    # The picture.
    size: int | None = flag(None, "longer side of the picture in px (default 512, or what fits --canvas)", metavar="PX",
                            low=64, high=4096)  # fmt: skip
    canvas: tuple[int, int] | None = flag(None, "fixed picture size for calls, e.g. 1280x720; the rest is filled with "
                                          "the blurred picture", metavar="WxH")  # fmt: skip
    vcam_format: Literal["auto", "i420", "nv12", "yuyv", "uyvy"] = flag(
        "auto", "pixel format of the virtual camera; auto: i420, or what the device is fixed to",
        choices=("auto", "i420", "nv12", "yuyv", "uyvy"))  # fmt: skip
    generator: Literal["live", "published", "off"] = flag(
        "live", "live: network that paints mouth interior and lids; published: the paper's network for the whole face, "
        "for comparison; off: geometry alone", choices=("live", "published", "off"))  # fmt: skip
    device: Literal["auto", "cpu", "cuda"] = flag("auto", "where the networks run", choices=("auto", "cpu", "cuda"))
    background: str = flag("own", "what is behind the person: own, blur, green, alpha (nothing, where an output "
                           "carries opacity; green elsewhere), a colour such as #204060, or a picture file",
                           metavar="own|blur|green|alpha|#RRGGBB|IMAGE")  # fmt: skip
    # Sound.
    audio_in: str = flag("", "microphone: number or (part of the) name (default: the machine's own choice)",
                         metavar="NAME|N")  # fmt: skip
    audio_out: str = flag("", "where your voice goes, delayed to fit the lips: a virtual cable's number or name "
                          "(default: no sound)", metavar="NAME|N")  # fmt: skip
    mouth: str = flag("off", "what moves the lips while no face is seen: off (idle motion), mic (your voice), or a "
                      "sound file; with --driver imagine all the time", metavar="off|mic|FILE.wav")  # fmt: skip
    audio_delay: float | Literal["auto", "off"] = flag("auto", "delay of the voice in ms; auto: the measured lag of "
                                                       "the picture; off: no sound", metavar="auto|MS|off")  # fmt: skip
    audio_buffer: float = flag(30.0, "buffer asked of the sound devices, ms; more of it bears a busier machine, and "
                               "lengthens the shortest delay", metavar="MS", low=5.0, high=500.0)  # fmt: skip
    obs: str = flag("", "keep the microphone of this OBS Studio in step with the picture", metavar="ws://HOST:4455")
    obs_password: str = flag("", "password of that OBS (better: the variable FACEANIME_OBS_PASSWORD)", metavar="TEXT")
    obs_mic: str = flag("", "name of the microphone in OBS (default: the only one)", metavar="NAME")
    obs_extra: float = flag(150.0, "ms between the engine's hand-over and the picture in OBS", metavar="MS", low=-950.0,
                            high=5000.0)  # fmt: skip
    # Time.
    pace: Pace = flag("live", "live: newest frame wins, steady rate; offline: one picture for each driver frame, no "
                      "prediction", choices=("live", "offline"))  # fmt: skip
    fps: int = flag(30, "pictures a second sent in live pace (and asked of the camera)", metavar="N", low=1, high=120)
    seconds: float | None = flag(None, "stop after N seconds", metavar="N", low=0.0, high=1e7)
    lookahead: float | Literal["auto"] = flag("auto", "predict the motion this many ms ahead of the driver's frame; "
                                              "auto: the measured latency", metavar="auto|MS")  # fmt: skip
    smoothing: float = flag(0.0, "smooth the motion by so many ms on top of the prediction (live pace)", metavar="MS",
                            low=0.0, high=500.0)  # fmt: skip
    display_lead: float = flag(0.0, "ms from the hand-over until the picture is seen (display, call app), added to "
                               "--lookahead auto", metavar="MS", low=0.0, high=150.0)  # fmt: skip
    seed: int = flag(0, "seed of the imagined motion", metavar="N", low=0, high=2**31 - 1)
    style: Literal["talking", "listening", "idle"] = flag("talking", "how `imagine` moves",
                                                          choices=("talking", "listening", "idle"))  # fmt: skip
    imagine_from: str | None = flag(None, "video file that `imagine` goes on from, where it ends", metavar="FILE")
    # The motion.
    neutral: Literal["auto", "first"] = flag("auto", "auto: average the driver's resting face for a second; first: the "
                                             "first face seen is neutral", choices=("auto", "first"))  # fmt: skip
    absolute: bool = flag(False, "take the driver's expression as it is, not relative to neutral")
    mirror: bool = flag(False, "move like a mirror: you lean left, the picture leans to the same side of the screen")
    no_inner_light: bool = flag(False, "do not measure how light your open mouth and eyes are inside: teeth and "
                                "shadows are guessed from the shape of your lips alone")  # fmt: skip
    lost: Literal["imagine", "freeze", "card"] = flag(
        "imagine", "while the face is lost: idle motion, a still picture, or a card",
        choices=("imagine", "freeze", "card"))  # fmt: skip
    gain_brows: float = gain("brows")
    gain_eyes: float = gain("eyes")
    gain_gaze: float = gain("gaze")
    gain_mouth: float = gain("mouth")
    gain_jaw: float = gain("jaw")
    gain_cheeks: float = gain("cheeks")
    gain_head: float = gain("head")
    # The control page.
    host: str = flag("127.0.0.1", "address the control page listens on; any other than this machine's own needs the "
                     "token that is printed at the start", metavar="ADDRESS")  # fmt: skip
    show_driver: bool = flag(False, "let the control page's debug view show the driver's picture too")
    no_settings: bool = flag(False, "neither use nor keep what was chosen on the control page")
    # What is written about the run.
    report: str | None = flag(None, "write figures as JSON at the end; `-` prints one JSON line a second instead",
                              metavar="FILE.json|-")  # fmt: skip
    trace: str | None = flag(None, "write a Chrome trace of every stage of every frame", metavar="FILE.json")
    debug: bool = flag(False, "log details, and show the traceback of an internal error")

    # Not on the command line.
    default_size: int = 512  # px, longer side, when neither --size nor --canvas says otherwise
    vcam_canvas: tuple[int, int] = (1280, 720)  # call apps expect a steady HD camera
    live_threads: int = 2  # of one network at live pace, where a frame goes through the networks one by one
    offline_threads: int = 1  # of one network at offline pace, where all parts work side by side
    camera_size: tuple[int, int] = (640, 480)  # asked of the camera; the tracker looks at a 256 px crop
    driver_size: int = 1280  # px, longer side; bigger driver pictures are reduced while they are converted
    stall_s: float = 0.15  # no driver frame for so long counts as a lost face
    camera_wait_s: float = 60.0  # an unplugged camera may come back within this time
    lost_ease_s: float = 0.45  # face lost: to the idle motion within this time
    return_ease_s: float = 0.35  # face back: at most so long until the driver has the picture again
    recalibrate_after_s: float = 3.0  # a face lost for longer may be another person
    no_face_notice_s: float = 3.0  # say so when no face was seen for so long
    queue_frames: int = 8  # offline: pictures waiting between two stages
    file_wait_mb: float = 64.0  # live: pictures waiting for a video file's encoder
    crf: int = 16  # H.264 quality of video files
    preset: str = "veryfast"  # x264 speed of video files
    udp_kbps: int = 4000  # bit rate of the udp:// stream
    jpeg_quality: int = 85  # of the preview page
    ready_sources: int = 5  # sources kept ready to be shown at once
    upload_mb: int = 25  # largest picture file that the control page takes
    given: frozenset[str] = field(default=frozenset(), compare=False)  # fields that the command line named
    join_s: float = 5.0  # a thread that has not ended by then is reported

    def __post_init__(self) -> None:
        for name, spec in self.__dataclass_fields__.items():
            value = getattr(self, name)
            low, high = spec.metadata.get("low"), spec.metadata.get("high")
            if low is not None and value is not None and not low <= value <= high:
                raise ConfigError(flag_name(name), f"{value} is outside {low}..{high}", HELP_COMMAND)
            choices = spec.metadata.get("choices")
            if choices and value not in choices:
                raise ConfigError(flag_name(name), f"`{value}` is not one of {', '.join(choices)}", HELP_COMMAND)
        if self.seconds == 0:
            raise ConfigError("--seconds", "0 seconds make no picture", "Give a number above 0, or leave it out")
        if self.lookahead != "auto" and not 0 <= self.lookahead <= 500:
            raise ConfigError("--lookahead", f"{self.lookahead} ms is outside 0..500", "Use auto or e.g. 30")
        if not isinstance(self.audio_delay, str) and not 0 <= self.audio_delay <= 3000:
            raise ConfigError("--audio-delay", f"{self.audio_delay} ms is outside 0..3000", "Use auto, off or e.g. 80")
        if self.generator == "published" and self.background != "own":
            raise ConfigError("--generator published", "it draws the photo's own background around the head",
                              "Leave --background out, or use --generator live")  # fmt: skip
        if self.mouth == "mic" and self.pace == "offline":
            raise ConfigError(
                "--mouth mic", "--pace offline has no microphone", "Give a sound file: --mouth speech.wav"
            )
        if self.audio_out and self.pace == "offline":
            raise ConfigError("--audio-out", "--pace offline is silent; a file driver's own sound is copied",
                              "Leave --audio-out out, or use --pace live")  # fmt: skip
        if self.canvas is not None and not all(64 <= side <= 4096 and side % 2 == 0 for side in self.canvas):
            raise ConfigError("--canvas", f"{self.canvas[0]}x{self.canvas[1]} is not even sides of 64..4096 px",
                              "Use e.g. --canvas 1280x720")  # fmt: skip
        if not self.output:
            raise ConfigError("--output", "no output is given", "Use e.g. --output preview")

    @property
    def network_threads(self) -> int:
        """Threads of one network."""
        return self.live_threads if self.pace == "live" else self.offline_threads

    @property
    def kernel_threads(self) -> int | None:
        """Threads of the kernels; None: as many as the picture repays."""
        return None if self.pace == "live" else self.offline_threads

    @property
    def gains(self) -> Gains:
        """Strength of each region."""
        return Gains(**{region: float(getattr(self, f"gain_{region}")) for region in REGIONS})


def flag_name(field_name: str) -> str:
    """Return the command-line spelling of a field: `gain_head` -> `--gain-head`."""
    return "--" + field_name.replace("_", "-")
