"""The desk end to end: REST and WebSockets steer a real engine with fake faces."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from desk_fakes import Live, live, png, wait_for
from fakes import FakeTracker, params
from websockets.sync.client import connect

HEARD = ("version", "notices", "sources")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture
def client(run: Live) -> Iterator[httpx.Client]:
    with run.client() as made:
        yield made


def middle(run: Live) -> np.ndarray:
    return run.picture()[32, 48].astype(int)


def left(run: Live) -> np.ndarray:
    return run.picture()[32, 4].astype(int)


def near(found: np.ndarray, wanted: tuple[int, int, int], tolerance: int = 14) -> bool:
    return bool(np.abs(found - np.array(wanted)).max() < tolerance)


def test_state_names_everything_the_page_shows(client: httpx.Client) -> None:
    state = client.get("/api/state").json()
    assert state["run"] == "running"
    assert state["outputs"] == ["preview"]
    assert set(state["gains"]) == {"brows", "eyes", "gaze", "mouth", "jaw", "cheeks", "head"}
    assert state["sources"][0]["status"] == "ready"
    assert state["source"] == state["sources"][0]["id"]
    assert client.get("/").status_code == 200
    figures = client.get("/api/figures").json()
    assert {"track", "map", "send"} <= set(figures["stages_ms"])
    assert figures["frames_out"] > 0


def test_gains_move_the_picture(run: Live, client: httpx.Client) -> None:
    open_mouth = middle(run)
    client.patch("/api/state", json={"gains": {"jaw": 0.0}}).raise_for_status()
    wait_for(lambda: (open_mouth - middle(run)).min() > 40)
    assert client.patch("/api/state", json={"gains": {"jaw": 1.0}}).json()["gains"]["head"] == 1.0
    wait_for(lambda: near(middle(run), tuple(open_mouth)))


def test_upload_swap_background_and_delete(run: Live, client: httpx.Client) -> None:
    first = client.get("/api/state").json()["source"]
    made = client.post("/api/sources?name=../../red.png", content=png((250, 10, 10))).json()
    assert made["name"] == "red"
    client.post(f"/api/sources/{made['id']}/use").raise_for_status()
    wait_for(lambda: near(middle(run), (235, 67, 67), 20))
    client.patch("/api/state", json={"background": "green"}).raise_for_status()
    wait_for(lambda: near(left(run), (0, 177, 64), 30))
    assert client.delete(f"/api/sources/{made['id']}").status_code == 422  # it is shown
    assert client.delete(f"/api/sources/{first}").status_code == 404  # named on the command line: not ours
    client.post(f"/api/sources/{first}/use").raise_for_status()
    wait_for(lambda: not near(middle(run), (235, 67, 67), 20))
    assert near(left(run), (0, 177, 64), 30)  # the background stays with the desk, not with the source
    assert client.delete(f"/api/sources/{made['id']}").status_code == 204
    thumb = client.get(f"/api/sources/{first}/thumbnail")
    assert thumb.headers["content-type"] == "image/jpeg"
    client.patch("/api/state", json={"background": "own"}).raise_for_status()


def test_a_background_picture_is_named_by_id(run: Live, client: httpx.Client) -> None:
    made = client.post("/api/backgrounds?name=room", content=png((9, 9, 9))).json()
    state = client.patch("/api/state", json={"background": f"picture:{made['id']}"}).json()
    assert state["background"] == f"picture:{made['id']}"
    wait_for(lambda: near(left(run), (200, 0, 200), 30))
    assert client.delete(f"/api/backgrounds/{made['id']}").status_code == 422
    client.patch("/api/state", json={"background": "own"}).raise_for_status()
    assert client.delete(f"/api/backgrounds/{made['id']}").status_code == 204


def test_freeze_holds_and_privacy_hides(run: Live, client: httpx.Client) -> None:
    assert client.post("/api/freeze").json()["freeze"] is True
    client.patch("/api/state", json={"gains": {"jaw": 0.0}})
    time.sleep(0.3)
    held = middle(run)
    assert client.post("/api/freeze", json={"on": False}).json()["freeze"] is False
    wait_for(lambda: (held - middle(run)).min() > 40)
    client.patch("/api/state", json={"gains": {"jaw": 1.0}})
    assert client.post("/api/privacy").json()["privacy"] is True
    wait_for(lambda: middle(run).max() < 60)
    assert client.post("/api/privacy").json()["privacy"] is False
    wait_for(lambda: middle(run).max() > 100)


def test_calibrate_reaches_the_tracker(run: Live, client: httpx.Client) -> None:
    before = run.tracker.resets
    assert client.post("/api/calibrate").status_code == 204
    wait_for(lambda: run.tracker.resets > before)


def test_presets_keep_and_bring_back_a_look(client: httpx.Client) -> None:
    client.patch("/api/state", json={"gains": {"head": 0.25}, "smoothing": 80}).raise_for_status()
    assert client.put("/api/presets/calm & slow").json()["presets"] == ["calm & slow"]
    client.patch("/api/state", json={"gains": {"head": 1.0}, "smoothing": 0}).raise_for_status()
    state = client.post("/api/presets/calm & slow/use").json()
    assert (state["gains"]["head"], state["smoothing"]) == (0.25, 80)
    assert client.delete("/api/presets/calm & slow").status_code == 204
    assert client.post("/api/presets/calm & slow/use").status_code == 404
    client.patch("/api/state", json={"gains": {"head": 1.0}, "smoothing": 0}).raise_for_status()


@pytest.mark.parametrize("wrong", [{"gains": {"jaw": 3}}, {"gains": {"nose": 1}}, {"lookahead": -1}, {"smoothing": "x"},
                                   {"background": "/etc/passwd"}, {"background": "#12"}, {"background": "picture:x"},
                                   {"lost": "panic"}, {"size": 5}, {"fps": 0}, {"canvas": [3, 3]}, {"colour": 1},
                                   {"driver": "/etc/passwd"}, {"driver": "rtsp://10.0.0.1/x"},
                                   {"outputs": ["/tmp/x.mp4"]}, {"outputs": ["file:///x.mp4"]}])  # fmt: skip
def test_what_cannot_be_is_refused_and_changes_nothing(client: httpx.Client, wrong: dict[str, object]) -> None:
    before = client.get("/api/state").json()
    answer = client.patch("/api/state", json={"mirror": True, **wrong})
    assert answer.status_code == 422
    after = client.get("/api/state").json()
    # The engine itself may speak in between: a notice, or a source that has become ready, is no change of ours.
    assert {k: v for k, v in after.items() if k not in HEARD} == {k: v for k, v in before.items() if k not in HEARD}
    assert after["mirror"] is False


def test_events_push_state_and_figures(run: Live, client: httpx.Client) -> None:
    with connect(f"ws://127.0.0.1:{run.config.port}/api/events") as socket:
        first = [json.loads(socket.recv(5)) for _ in range(2)]
        assert {"state", "figures"} == {key for message in first for key in message}
        client.patch("/api/state", json={"mirror": True})
        seen = []
        wait_for(lambda: seen.append(json.loads(socket.recv(5))) or any(m.get("state", {}).get("mirror") for m in seen))
    client.patch("/api/state", json={"mirror": False})


def test_slow_viewer_gets_fewer_pictures_and_holds_nobody_up(run: Live, client: httpx.Client) -> None:
    with (connect(f"ws://127.0.0.1:{run.config.port}/api/preview") as lazy,
          connect(f"ws://127.0.0.1:{run.config.port}/api/preview") as eager):  # fmt: skip
        lazy.send("next")
        assert lazy.recv(5)[:2] == b"\xff\xd8"
        before = client.get("/api/figures").json()
        for _ in range(30):  # the lazy one has asked for one picture and looks at no other
            eager.send("next")
            assert len(eager.recv(20)) > 100
        after = client.get("/api/figures").json()
    assert after["frames_out"] - before["frames_out"] >= 28
    assert after["viewers"] in (1, 2)
    wait_for(lambda: client.get("/api/figures").json()["viewers"] == 0)


def test_landmarks_come_without_a_picture(run: Live) -> None:
    with connect(f"ws://127.0.0.1:{run.config.port}/api/landmarks") as socket:
        messages = [socket.recv(5) for _ in range(3)]
    assert all(isinstance(message, str) for message in messages)  # a picture would be bytes
    assert json.loads(messages[0])["aspect"] == pytest.approx(32 / 24)


def test_restart_stop_and_start_keep_the_page(run: Live, client: httpx.Client) -> None:
    state = client.patch("/api/state", json={"fps": 25, "canvas": [128, 96]}).json()
    assert state["restart_needed"] == ["fps", "canvas"]
    assert client.post("/api/run/restart").status_code == 202
    wait_for(lambda: run.picture().shape == (96, 128, 3))
    assert client.get("/api/state").json()["restart_needed"] == []
    assert client.post("/api/run/stop").status_code == 202
    wait_for(lambda: client.get("/api/state").json()["run"] == "stopped")
    client.patch("/api/state", json={"fps": 30, "canvas": None}).raise_for_status()
    assert client.post("/api/run/start").status_code == 202
    wait_for(lambda: client.get("/api/state").json()["run"] == "running")
    wait_for(lambda: run.picture().shape == (64, 64, 3))


def test_choices_are_remembered_and_flags_win(tmp_path: Path) -> None:
    with live(tmp_path) as first, first.client() as client:
        client.patch("/api/state", json={"gains": {"jaw": 0.5}, "lost": "freeze", "smoothing": 40}).raise_for_status()
        made = client.post("/api/sources?name=blue", content=png((10, 10, 250))).json()
        client.post(f"/api/sources/{made['id']}/use").raise_for_status()
        wait_for(lambda: near(middle(first), (37, 37, 205), 25))
    with live(tmp_path, given=("smoothing",), smoothing=10.0) as second, second.client() as client:
        state = client.get("/api/state").json()
        assert (state["gains"]["jaw"], state["lost"], state["smoothing"]) == (0.5, "freeze", 10)
        assert state["source"] == made["id"]
    with live(tmp_path, no_settings=True) as third, third.client() as client:
        state = client.get("/api/state").json()
        assert (state["gains"]["jaw"], state["lost"], len(state["sources"])) == (1.0, "imagine", 1)


def test_damaged_settings_never_keep_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"version": 1, "values": {"gain_jaw": "loud", "fps": 9999, "source": '
                                            '"/no/such.jpg", "canvas": [1, 2, 3], "lost": "card"}}')  # fmt: skip
    with live(tmp_path) as made, made.client() as client:
        state = client.get("/api/state").json()
        assert (state["gains"]["jaw"], state["fps"], state["run"]) == (1.0, 30, "running")


def test_lost_face_shows_the_card(tmp_path: Path) -> None:
    tracker = FakeTracker(lambda i: params(1.0) if i < 90 else None)
    with live(tmp_path, tracker=tracker, lost="card") as made:
        wait_for(lambda: middle(made).max() < 60)


def test_a_source_that_cannot_be_used_leaves_the_old_one(run: Live, client: httpx.Client, tmp_path: Path) -> None:
    made = client.post("/api/sources?name=gone", content=png((1, 200, 1))).json()
    wait_for(
        lambda: (
            next(s for s in client.get("/api/state").json()["sources"] if s["id"] == made["id"])["status"]
            != "preparing"
        )
    )
    before = client.get("/api/state").json()["source"]
    assert client.post("/api/sources/" + "0" * 32 + "/use").status_code == 404
    assert client.get("/api/state").json()["source"] == before


def test_openapi_file_is_what_the_server_says() -> None:
    """Routes, parameters, fields and answers agree; how the framework's version words them may differ."""
    from realtime.preview.openapi import document

    def essence(text: str) -> dict[str, object]:
        found = json.loads(text)
        routes = {
            f"{method} {path}": (sorted(p["name"] for p in route.get("parameters", [])), sorted(route["responses"]))
            for path, methods in found["paths"].items()
            for method, route in methods.items()
        }
        schemas = found["components"]["schemas"].items()
        ours = {name: sorted(s.get("properties", {})) for name, s in schemas if not name.startswith(("HTTP", "Valid"))}
        return {"routes": routes, "fields": ours}

    kept = (Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert essence(kept) == essence(document()), "run python -m realtime.preview.openapi docs/openapi.json"


def test_the_framework_is_loaded_only_to_serve_the_page() -> None:
    import subprocess
    import sys

    code = ("import sys, realtime.session, realtime.preview.server\n"
            "assert not {'fastapi', 'uvicorn', 'pydantic', 'websockets'} & set(sys.modules)")  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=60)
