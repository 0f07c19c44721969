"""The command line: every default from Config, every complaint one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.cli import build_parser, parse
from realtime.config import REGIONS, Config
from realtime.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def test_no_flags_is_the_default_config() -> None:
    assert parse([]) == Config()


def test_flags_of_the_agreed_page() -> None:
    line = ("--driver a.mp4 --source f.png --output o.mp4 --output null --size 256 --canvas 1280x720 --fps 25 "
        "--seconds 3 "
            "--pace offline --neutral first --lookahead 20 --generator off --device cpu --report r.json --trace t.json "
            "--port 8100 --seed 4 --mirror --absolute --overwrite")  # fmt: skip
    config = parse([*line.split(), *(word for r in REGIONS for word in (f"--gain-{r}", "0.5"))])
    assert config.output == ("o.mp4", "null")
    assert config.canvas == (1280, 720)
    assert config.lookahead == 20.0
    assert (config.size, config.seed, config.port, config.seconds) == (256, 4, 8100, 3.0)
    assert config.mirror
    assert config.absolute
    assert config.overwrite
    assert config.gains.head == config.gains.brows == 0.5


@pytest.mark.parametrize("line", ["--siz 3", "--size 1", "--size x", "--canvas 12", "--canvas 1281x720", "--pace fast",
                                  "--fps 0", "--seconds 0", "--lookahead soon", "--lookahead 9000", "--port 0",
                                  "--gain-head 9", "extra"])  # fmt: skip
def test_complaints_are_one_line_with_a_next_step(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(line.split())
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_help_mentions_every_flag_and_its_default() -> None:
    text = build_parser().format_help()
    for word in ("--driver", "--gain-cheeks", "default: 30", "doctor", "--pace live|offline"):
        assert word in text


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run_live.py", *words], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("words", [["--driver", "no.mp4", "--output", "null"], ["--size", "0"], ["--output", "a.gif"],
                                   ["--driver", "77", "--output", "null"]])  # fmt: skip
def test_errors_end_with_one_line_and_a_code(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_doctor_and_devices_answer() -> None:
    assert "ok      Python" in run("doctor").stdout
    found = run("devices")
    assert found.returncode == 0
    assert "--driver imagine" in found.stdout


def test_real_engine_imagines_a_clip_and_streams_its_report(tmp_path: Path) -> None:
    """The whole real stack: default portrait, idle motion, file, JSON lines."""
    done = run("--driver", "imagine", "--seconds", "2", "--pace", "offline", "--size", "192", "--report", "-",
               "--output", str(tmp_path / "o.mp4"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report["frames_out"] == 60
    assert report["render_errors"] == 0
    import av

    with av.open(str(tmp_path / "o.mp4")) as container:
        first, *_, last = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    assert abs(first.astype(int) - last).mean() > 0.3  # it moves
