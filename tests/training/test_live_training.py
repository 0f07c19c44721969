"""Training: runs, learns, survives being stopped, exports what the runtime reads. Needs the `train` extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("onnx", reason="the train extra is not installed")

from models.inference import open_network  # noqa: E402
from models.training import export_live, losses  # noqa: E402
from models.training.average import average  # noqa: E402
from models.training.live_batches import Shards, augment  # noqa: E402
from models.training.networks import EYE_SHAPE, LiveNet, SourceBranch, finish, window  # noqa: E402
from models.training.train_live import Trainer, checkpoint  # noqa: E402


def step(t: Trainer, s: Shards) -> dict[str, float]:
    return t.learn(augment(s.draw(t.rng, 2, 1), t.rng, False), warm=400)


def test_training_lowers_the_error(shards: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    t, s = Trainer("eye", tmp_path, 1, 2e-3), Shards(shards, "eye")
    l1 = [step(t, s)["l1"] for _ in range(25)]
    assert np.mean(l1[-5:]) < 0.8 * np.mean(l1[:5])


def test_the_critic_is_weighed_and_pulls(shards: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    t, s = Trainer("eye", tmp_path, 1, 1e-3), Shards(shards, "eye")
    t.step = 310
    row = t.learn(augment(s.draw(t.rng, 2, 1), t.rng, False), warm=0)
    assert row["features"] > 0
    assert t.balance != 1.0
    assert 0 < t.balance < 20


def test_pairs_come_first_and_share_their_source(shards: Path) -> None:
    b = Shards(shards, "eye").draw(np.random.default_rng(0), 3, 2)
    assert b["owner"].tolist() == [0, 0, 1, 1, 2, 3, 4]
    assert len(b["src"]) == 5
    assert len(b["warp"]) == len(b["turn"]) == 7
    torch.manual_seed(0)
    a = augment(b, np.random.default_rng(1), True)
    assert a["true"].shape == b["true"].shape
    assert not torch.equal(a["src"], b["src"])


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(shards: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = Trainer("eye", tmp_path, 1, 1e-3)
    s = Shards(shards, "eye")
    for _ in range(2):
        step(whole, s)
    whole.save()
    resumed = Trainer("eye", tmp_path, 7, 1e-3)
    assert resumed.step == 2
    torch.set_rng_state(torch.load(tmp_path / "state.pt", weights_only=False)["torch"])
    a = step(whole, s)
    torch.set_rng_state(torch.load(tmp_path / "state.pt", weights_only=False)["torch"])
    b = step(resumed, s)
    assert a["l1"] == pytest.approx(b["l1"], rel=1e-5)


def test_checkpoint_writes_the_curve(shards: Path, tmp_path: Path) -> None:
    t = Trainer("eye", tmp_path, 1, 1e-3)
    before = [p.detach().clone() for p in t.params]
    checkpoint(t, Shards(shards, "eye", "val_"))
    head, row = (tmp_path / "curve.csv").read_text().strip().splitlines()
    assert head.startswith("step,minutes,warp,net,sharp_warp")
    assert row.startswith("0,")
    assert all(torch.equal(p, q) for p, q in zip(before, t.params, strict=True))


def test_export_reproduces_the_network(shards: Path, tmp_path: Path) -> None:
    t, s = Trainer("eye", tmp_path, 1, 1e-3), Shards(shards, "eye")
    step(t, s)
    t.save()
    source, live, n = export_live.load("eye", tmp_path)
    assert n == 1
    files = export_live.export(source, live, EYE_SHAPE, "eye", tmp_path)
    photo = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    frame = np.random.default_rng(2).integers(0, 256, (2, 64, 64, 4), dtype=np.uint8)
    nets = {f.stem: open_network(f, "cpu", 1) for f in files}
    branch, net = nets["generator_eye_source"], nets["generator_eye"]
    branch.inputs["source"][...] = photo
    branch.run()
    net.inputs["picture"][...] = frame
    for k in ("fine", "code"):
        net.inputs[k][...] = branch.outputs[k]
    net.run()
    to = lambda a: torch.from_numpy(a).permute(0, 3, 1, 2).float() / 255  # noqa: E731
    with torch.no_grad():
        want = live(to(frame), torch.zeros(2, 2), *source(to(photo))).permute(0, 2, 3, 1).numpy()
    got = net.outputs["painted"] / np.array([255, 255, 255, 1], np.float32)
    np.testing.assert_allclose(got, want, atol=4e-3)


def exported(folder: Path, seed: int) -> tuple[SourceBranch, LiveNet]:
    torch.manual_seed(seed)
    nets = SourceBranch(EYE_SHAPE).eval(), LiveNet(EYE_SHAPE).eval()
    folder.mkdir()
    export_live.export(*nets, EYE_SHAPE, "eye", folder)
    return nets


def test_exported_weights_come_back(tmp_path: Path) -> None:
    source, live = exported(tmp_path / "a", 3)
    again_source, again = SourceBranch(EYE_SHAPE), LiveNet(EYE_SHAPE)
    export_live.restore(again_source, tmp_path / "a" / "generator_eye_source.onnx")
    export_live.restore(again, tmp_path / "a" / "generator_eye.onnx")
    for net, other in ((source, again_source), (live, again)):
        for (name, p), q in zip(net.named_parameters(), other.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-3), name  # stored in half precision
    with pytest.raises(ValueError, match="no weights"):
        export_live.restore(again, tmp_path / "a" / "generator_eye_source.onnx")


def test_an_average_lies_between_its_parts(tmp_path: Path) -> None:
    (_, a), (_, b) = exported(tmp_path / "a", 3), exported(tmp_path / "b", 4)
    _, mean = average("eye", [(tmp_path / "a", 1.0), (tmp_path / "b", 3.0)])
    for p, q, m in zip(a.parameters(), b.parameters(), mean.parameters(), strict=True):
        assert torch.allclose(m, 0.25 * p + 0.75 * q, atol=2e-3)


def test_export_refuses_the_wrong_kind(shards: Path, tmp_path: Path) -> None:
    Trainer("eye", tmp_path, 1, 1e-3).save()
    with pytest.raises(ValueError, match="eye"):
        export_live.load("mouth", tmp_path)


def test_nothing_is_painted_at_the_border() -> None:
    torch.manual_seed(0)
    live, source = LiveNet(EYE_SHAPE), SourceBranch(EYE_SHAPE)
    with torch.no_grad():
        live.out.weight.mul_(100)
        x = torch.rand(2, 4, 64, 64)
        y = live(x, torch.rand(2, 2), *source(torch.rand(2, 3, 64, 64)))
    for edge in (y[..., 0, :], y[..., -1, :], y[..., 0], y[..., -1]):
        assert not edge.any()
    assert y.abs().max() > 0.1
    w = window(64)[0, 0]
    assert w[32, 32] == 1
    assert torch.equal(finish(x[:, :3], torch.zeros(2, 4, 64, 64)), x[:, :3])


def test_losses_vanish_on_the_truth_and_grow_with_the_fault() -> None:
    a, m = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    m[..., 24:40, 16:48] = 1
    w = losses.region(m)
    assert w.max() == pytest.approx(6.0)
    assert w.min() == 1
    for loss in (losses.weighted_l1, losses.edges, losses.coarse_l1):
        assert loss(a, a, w) == 0
    assert losses.steadiness(a, a, w, 1) == 0
    assert losses.coarse_l1(a + 0.1, a, w) == pytest.approx(0.1, rel=1e-4)
    stripes = torch.tensor([0.1, -0.1]).repeat(32)
    assert losses.coarse_l1(a + stripes, a, w) < 1e-6  # what is a pixel aside is forgiven
    blob = losses.within(m)
    assert blob[0, 0, 32, 32] == 1
    assert blob[0, 0, 4, 4] == 0
    painted = torch.full((2, 4, 64, 64), 0.5)
    assert losses.restraint(painted * (blob > 0), m) < losses.restraint(painted, m)
    assert losses.weighted_l1(a + 0.1, a, w) == pytest.approx(0.1, rel=1e-4)
    assert losses.edges(a + 0.1, a, w) < 1e-6
    b = torch.cat([a[:1], a[1:] + 0.2])
    assert losses.steadiness(b, a, w, 1) == pytest.approx(0.2, rel=1e-3)
    assert losses.sharpness(torch.nn.functional.avg_pool2d(a, 3, 1, 1), m) < 0.5 * losses.sharpness(a, m)
    one, seen = torch.ones(1, 1, 2, 2), torch.tensor([[[[1.0, 0], [0, 0]]]])
    assert losses.critic_hinge(2 * one, -2 * one, seen) == 0
    assert losses.critic_hinge(0 * one, 0 * one, seen) == 2
    assert losses.over(torch.arange(4.0).view(1, 1, 2, 2), seen) == 0
    x = torch.rand(1, 1, 2, 2, requires_grad=True)
    assert losses.slope(3 * x, x, one) == pytest.approx(9.0)
