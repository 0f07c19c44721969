"""The paper's network: its size, its losses, a run that is killed and resumed, what is exported. Needs `train`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("onnx", reason="the train extra is not installed")

from models.inference import open_network  # noqa: E402
from models.training import export_published  # noqa: E402
from models.training.published_network import PublishedCritic, PublishedNet, PublishedShape  # noqa: E402
from models.training.train_published import Photos, Trainer, augment, checkpoint, validate  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SMALL = PublishedShape(32, 4, 8, 16)


def write_shards(folder: Path, pixels: int) -> Path:
    """A black square on a coloured ground; the truth is the photo with the square where the target render has it."""
    rng = np.random.default_rng(0)
    for name, count in (("train_a", 3), ("train_stills", 2), ("val_b", 1)):
        image = np.repeat(rng.integers(60, 220, (count, 1, 1, 3)), pixels, 1).repeat(pixels, 2).astype(np.uint8)
        source = np.zeros_like(image)
        target, true = (np.repeat(x[:, None], 4, 1) for x in (np.zeros_like(image), image))
        q = pixels // 4
        source[:, q : 2 * q, q : 2 * q] = 255
        image[:, q : 2 * q, q : 2 * q] = 255
        target[:, :, q : 2 * q, 2 * q : 3 * q] = 255
        true[:, :, q : 2 * q, 2 * q : 3 * q] = 255
        np.savez(folder / f"{name}.npz", image=image, source=source, target=target, true=true)
    return folder


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    return write_shards(tmp_path, 32)


def trainer(out: Path, shards: Path, seed: int = 1, early: int = 0) -> tuple[Trainer, Photos]:
    photos = Photos(shards)
    return Trainer(out, photos.people, seed, 3e-3, SMALL, identity_steps=early), photos


def test_at_the_papers_width_it_has_the_papers_size() -> None:
    with torch.device("meta"):
        net, critic = PublishedNet(PublishedShape()), PublishedCritic(PublishedShape())
        x = torch.zeros(1, 3, 128, 128)
        finished, mask = net(x, x, x)
        assert finished.shape == x.shape
        assert mask.shape == (1, 1, 128, 128)
        assert critic(torch.zeros(1, 6, 128, 128)).shape == (1,)
    assert 113e6 < sum(p.numel() for p in net.parameters()) < 117e6
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as count:
        code, maps = net.of_source(x, x)
        once = count.get_total_flops()
        net.finish(code, maps, x)
    assert (count.get_total_flops() - once) / 2 == pytest.approx(106e9, rel=0.03)  # multiply-adds a frame


def test_the_code_is_an_analogy() -> None:
    torch.manual_seed(0)
    net = PublishedNet(SMALL).eval()
    image, a, b = (torch.rand(1, 3, 32, 32) * 2 - 1 for _ in range(3))
    with torch.no_grad():
        code, maps = net.of_source(image, a)
        torch.testing.assert_close(code, net.image(image)[0] - net.render(a)[0])
        assert [m.shape[1] for m in maps] == [2 * c for c in SMALL.levels]
        colour, mask = net.finish(code, maps, b)
        torch.testing.assert_close(net(image, a, b)[0], colour * mask + image * (1 - mask))
        want, _ = net.decoder(net.image(image)[0] + net.render(b)[0] - net.render(a)[0],
                              [torch.cat(m, 1) for m in zip(maps, net.render(b)[1], strict=True)])  # fmt: skip
    torch.testing.assert_close(colour, want)


def test_training_lowers_the_error(shards: Path, tmp_path: Path) -> None:
    t, photos = trainer(tmp_path, shards)
    l1 = [t.learn(photos, 3, 2)["l1"] for _ in range(60)]
    assert np.mean(l1[-10:]) < 0.7 * np.mean(l1[:10])


def test_the_embedding_learns_first_and_is_left_alone_then(shards: Path, tmp_path: Path) -> None:
    t, photos = trainer(tmp_path, shards, early=3)
    assert {"who", "known"} == set(t.learn(photos, 2, 2))
    t.learn(photos, 2, 2)
    t.learn(photos, 2, 2)
    before = [p.detach().clone() for p in t.identity.parameters()]
    assert {"l1", "mask", "identity", "gap", "slope"} == set(t.learn(photos, 2, 2))
    assert all(torch.equal(p, q) for p, q in zip(before, t.identity.parameters(), strict=True))
    assert photos.people == 1 + 2  # a clip, two stills


def test_a_photo_and_its_targets_are_changed_alike(shards: Path) -> None:
    photos = Photos(shards)
    b = photos.draw(np.random.default_rng(0), 3, 2)
    assert b["owner"].tolist() == [0, 0, 1, 1, 2, 2]
    assert len(b["image"]) == 3
    assert len(b["true"]) == 6
    out = augment(b, np.random.default_rng(1))
    for i, own in enumerate(b["owner"]):  # the ground has one colour, and must keep one in all pictures of a photo
        torch.testing.assert_close(out["true"][i, :, -1, 0], out["image"][own, :, -1, 0])
    assert out["image"].min() >= -1
    assert not torch.equal(out["image"] / 2 + 0.5, b["image"])


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(shards: Path, tmp_path: Path) -> None:
    whole, photos = trainer(tmp_path, shards, early=1)
    for _ in range(3):
        whole.learn(photos, 2, 2)
    whole.save()
    resumed, _ = trainer(tmp_path, shards, seed=9, early=1)
    assert resumed.step == 3
    noise = torch.load(tmp_path / "state.pt", weights_only=False)["torch"]
    rows = []
    for t in (whole, resumed):
        torch.set_rng_state(noise)
        rows.append(t.learn(photos, 2, 2))
    assert rows[0] == pytest.approx(rows[1], rel=1e-5)
    with pytest.raises(ValueError, match="holds a network of"):
        Trainer(tmp_path, photos.people, 1, 1e-3, PublishedShape(32, 8, 8, 16))


def test_the_same_seed_gives_the_same_weights(shards: Path, tmp_path: Path) -> None:
    ends = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        t, photos = trainer(tmp_path / name, shards, early=2)
        for _ in range(5):
            t.learn(photos, 2, 2)
        ends.append(torch.cat([p.detach().flatten() for p in t.net.parameters()]))
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-4, atol=1e-5)


def test_checkpoint_judges_the_mean_of_the_weights(shards: Path, tmp_path: Path) -> None:
    t, photos = trainer(tmp_path, shards)
    t.learn(photos, 2, 2)
    now = [p.detach().clone() for p in t.params]
    checkpoint(t, photos, Photos(shards, "val_"))
    assert all(torch.equal(p, q) for p, q in zip(now, t.params, strict=True))
    head, row = (tmp_path / "curve.csv").read_text().strip().splitlines()
    assert head == "step,minutes,net,still,face_net,face_still"
    assert row.startswith("1,")
    r = validate(t, Photos(shards, "val_"))
    assert r["face_still"] > 0  # the photo, held still, has no square where the target has one
    assert (tmp_path / "sheet.png").exists()


def test_export_reproduces_the_network(shards: Path, tmp_path: Path) -> None:
    t, photos = trainer(tmp_path, shards)
    for _ in range(3):
        t.learn(photos, 2, 2)
    t.save()
    net, step = export_published.load(tmp_path)
    assert step == 3
    source, frame = (open_network(f, "cpu", 1) for f in export_published.export(net, 32, tmp_path))
    rng = np.random.default_rng(1)
    image, a, b = (rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8) for _ in range(3))
    source.inputs["image"][...], source.inputs["render"][...] = image, a
    source.run()
    frame.inputs["render"][...] = b
    for k in frame.inputs:
        if k != "render":
            frame.inputs[k][...] = source.outputs[k]
    frame.run()
    painted = frame.outputs["painted"]
    x, y, z = (torch.from_numpy(v).permute(0, 3, 1, 2).float() / 127.5 - 1 for v in (image, a, b))
    with torch.no_grad():
        want = (net(x, y, z)[0].permute(0, 2, 3, 1).numpy() + 1) * 127.5
    got = image * (1 - painted[..., 3:]) + painted[..., :3]
    np.testing.assert_allclose(got[:, 8:24, 8:24], want[:, 8:24, 8:24], atol=1.0)  # inside the fading border


def test_a_killed_run_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    write_shards(tmp_path, 128)
    command = [sys.executable, "-m", "models.training.train_published", "--shards", str(tmp_path), "--out",
               str(tmp_path / "run"), "--width", "2", "4", "--save-every", "0.2", "--photos", "1"]  # fmt: skip
    first = subprocess.Popen([*command, "--minutes", "30"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "run" / "curve.csv").exists() and time.monotonic() < end:
            assert first.poll() is None
            time.sleep(0.2)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    reached = torch.load(tmp_path / "run" / "state.pt", weights_only=False)
    assert reached["step"] > 0
    minutes = str((reached["spent"] + 1.0) / 60)
    second = subprocess.run([*command, "--minutes", minutes], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert second.returncode == 0, second.stderr
    assert f"going on at step {reached['step']}" in second.stderr
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=False)["step"] > reached["step"]
