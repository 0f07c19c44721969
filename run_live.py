#!/usr/bin/env python3
"""A webcam drives a photo: `python run_live.py --help`."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import Any

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main(arguments: list[str]) -> int:
    """Run the command line and return the exit code: 0 done, 1 something to mend, 70 a fault of ours."""
    from realtime.errors import UserError

    debug = "--debug" in arguments
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.ERROR, format="%(name)s: %(message)s", stream=sys.stderr
    )
    if debug:
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger("faceanime").setLevel(logging.DEBUG)
    try:
        if arguments[:1] in (["doctor"], ["devices"]):
            return look_around(arguments[0])
        return run(arguments)
    except UserError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug:
            raise
        say(f"error: a fault of the engine: {error!r}. Run again with --debug and report what it says")
        return 70


def run(arguments: list[str]) -> int:
    """Run the engine."""
    from realtime.cli import parse
    from realtime.notices import Notice
    from realtime.session import Session

    config = parse(arguments)
    prefix = {"chose": "", "note": "", "warning": "warning: "}

    def notice(what: Notice) -> None:
        say(prefix[what.kind] + what.text)

    def second(figures: dict[str, Any]) -> None:
        print(json.dumps(figures), flush=True)

    session = Session(config, notices=notice)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: session.stop())
    report = session.run(second if config.report == "-" else None)
    if config.report == "-":
        print(json.dumps(report), flush=True)
    say(summary(report))
    return 0


def summary(report: dict[str, Any]) -> str:
    """Return one line about a finished run."""
    line = f"{report['frames_out']} pictures in {report['seconds']:.1f} s ({report['fps']:.1f} a second)"
    latency = report["latency_ms"]
    if latency["p50"] is not None:
        line += f", {report['dropped']} dropped, latency {latency['p50']:.1f} ms (worst 5 %: {latency['p95']:.1f} ms)"
    return line


def look_around(command: str) -> int:
    """Run `doctor` or `devices`."""
    from realtime.doctor import devices, doctor

    lines, code = doctor() if command == "doctor" else devices()
    print("\n".join(lines))
    return code


def say(text: str) -> None:
    """Write a line for the person at the keyboard; standard output is left to figures."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
