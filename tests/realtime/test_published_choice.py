"""`--generator published`: chosen on the command line, kept by the control page, opened by the assembly."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import models.generator
import models.published
import models.puppet
import models.readback
import models.source
from models.readback import Readback
from realtime import assembly
from realtime.cli import parse
from realtime.config import Config
from realtime.errors import ConfigError
from realtime.preview.words import Words


def test_the_command_line_takes_it() -> None:
    assert parse(["--generator", "published"]).generator == "published"
    with pytest.raises(ConfigError, match="--generator"):
        parse(["--generator", "theirs"])


def test_it_brings_the_photos_own_background() -> None:
    with pytest.raises(ConfigError, match="own background"):
        Config(generator="published", background="blur")


def test_the_pages_switch_turns_it_off_and_leaves_it_what_it_is() -> None:
    words = Words(SimpleNamespace(find=lambda _: None), set())  # type: ignore[arg-type]
    assert words.apply(Config(generator="published"), {"generator": False}).generator == "off"
    assert words.apply(Config(generator="published"), {"generator": True}).generator == "published"
    assert words.apply(Config(generator="off"), {"generator": True}).generator == "live"


@pytest.mark.parametrize("kind", ["live", "published"])
def test_the_assembly_opens_what_was_asked_for(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def made(name: str) -> Any:
        report = {"device": "cuda", "runtime": "onnxruntime", "provider": "tensorrt", "precision": "f16"}
        return lambda *_, **__: SimpleNamespace(name=name, report=report)

    monkeypatch.setattr(models.generator, "Generator", made("live"))
    monkeypatch.setattr(models.published, "Published", made("published"))
    prepared: Any = SimpleNamespace(image=None, points=None)
    generator, device = assembly._generator(Config(generator=kind), prepared, lambda _: None)  # type: ignore[arg-type]
    assert generator.name == kind
    assert device == "cuda (onnxruntime tensorrt f16)"


@pytest.mark.parametrize(("found", "asked"), [("bf16", "bf16"), ("f32", "f32"), ("f16", "auto"), (None, "auto")])
def test_later_sources_take_the_precision_that_the_first_one_found(found: str | None, asked: str) -> None:
    generator = None if found is None else SimpleNamespace(report={"precision": found})
    first: Any = SimpleNamespace(puppet=SimpleNamespace(generator=generator))
    assert assembly._precision(first) == asked


@pytest.mark.parametrize("kind", ["live", "off"])
def test_a_source_that_is_finished_has_its_lids_read_back(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    found = Readback(np.zeros(92, np.float32), np.zeros((65, 64), np.float32))
    monkeypatch.setattr(models.source, "prepare_source", lambda *_: None)
    monkeypatch.setattr(models.puppet, "Puppet", lambda *a: SimpleNamespace(generator=a[3], size=(1, 1), readback=None))
    monkeypatch.setattr(assembly, "_generator", lambda *_: (SimpleNamespace(report={}), "cpu"))
    monkeypatch.setattr(models.readback, "load_readback", lambda puppet: found if puppet.generator else None)
    dressed: Any = assembly._dress(Config(size=320), lambda _: None, Path("face.png"), 320, kind == "live")
    assert dressed.puppet._puppet.readback is (found if kind == "live" else None)
