"""Pictures of the dynamics for docs/, drawn from numbers: lag against jitter, ten moments, imagined beside real."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dynamics_measures import LIVE_MS, Make, run
from models.dynamics_space import LID_COLUMNS, column
from models.face import F64
from models.trajectories import Track, blinks

_WINDOW_S = 2.0
_SIGNALS: tuple[tuple[str, Callable[[F64], F64]], ...] = (
    ("yaw, degrees", lambda x: np.degrees(x[:, 1])),
    ("jawOpen", lambda x: x[:, column("jawOpen")]),
    ("lids, 1 shut", lambda x: x[:, list(LID_COLUMNS)].mean(1)),
)


def _plt() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def pareto(methods: dict[str, Any], path: Path) -> None:
    """Draw how late the head is against how much a still face shakes, both at the live horizon."""
    plt = _plt()
    figure, axes = plt.subplots(figsize=(6.0, 3.8))
    below = {"damped_velocity": -10, "kalman_acceleration": -10}
    for name, got in methods.items():
        x, y = got["regions"]["turn"]["lag_ms"], got["jitter_over_raw"]
        mark: dict[str, Any] = {"color": "C3", "s": 60, "zorder": 3} if name == "engine" else {"color": "C0", "s": 30}
        axes.scatter(x, y, **mark)
        axes.annotate(name.replace("_", " "), (x, y), xytext=(5, below.get(name, 4)), textcoords="offset points",
                      fontsize=8)  # fmt: skip
    axes.set_xlabel(f"lag of the head's turn, ms, when asked {LIVE_MS} ms ahead")
    axes.set_ylabel("jitter on a still face, raw tracking = 1")
    axes.set_ylim(0, None)
    axes.margins(x=0.15, y=0.1)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def what_lead_costs(price: dict[str, Any], path: Path) -> None:
    """Draw error against lag for every latency; the shipped lead is marked, the cross is holding the last params."""
    plt = _plt()
    figure, axes = plt.subplots(figsize=(6.0, 3.8))
    for i, (latency, held) in enumerate(price["held_lag_ms"].items()):
        got = [by_latency[latency] for by_latency in price["leads"].values()]
        x, y = [g["lag_ms"] for g in got], [100 * g["rmse_against_hold"] for g in got]
        axes.plot(x, y, ".-", color=f"C{i}", label=f"{latency.removesuffix('_ms')} ms of latency")
        k = list(price["leads"]).index(str(price["shipped"]))
        axes.scatter(x[k], y[k], color=f"C{i}", s=60, zorder=3)
        axes.scatter(held, 0.0, color=f"C{i}", marker="x")
    axes.axvspan(-10, 10, color="0.9", zorder=0)
    axes.set_xlabel("apparent lag of the head's turn, ms (median of people)")
    axes.set_ylabel("error against holding, %")
    axes.set_ylim(None, 25)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def moments(tracks: list[Track]) -> list[tuple[str, Track, float]]:
    """Ten moments (name, track, middle in s) of people: bursts of talk, turns that stop, blinks, laughs, nods."""
    found: dict[str, list[tuple[float, Track, float]]] = {n: [] for n in ("talk", "turn and stop", "nod", "laugh")}
    double: list[tuple[str, Track, float]] = []
    for k in tracks:
        v = np.gradient(k.truth, k.t, axis=0)
        frames = round(k.fps * 0.5)
        calm = np.convolve(np.abs(v[:, 1]), np.ones(frames) / frames, "same")
        after = np.roll(calm, -frames)
        smile = k.truth[:, [column("mouthSmileLeft"), column("mouthSmileRight")]].mean(1)
        energy = np.convolve(np.abs(v[:, column("jawOpen")]), np.ones(3 * frames) / (3 * frames), "same")
        scores = {
            "talk": energy, "turn and stop": np.abs(v[:, 1]) - 6 * after, "nod": np.abs(v[:, 0]),
            "laugh": smile - smile.min() + k.truth[:, column("jawOpen")],
        }  # fmt: skip
        inside = (k.t > k.t[0] + 1.2) & (k.t < k.t[-1] - 1.2)
        for name, score in scores.items():
            i = int(np.argmax(np.where(inside, score, -np.inf)))
            found[name].append((float(score[i]), k, float(k.t[i])))
        at = [(k.t[a] + k.t[b]) / 2 for a, b in blinks(k)]
        double += [("two blinks", k, (p + q) / 2) for p, q in itertools.pairwise(at) if q - p < 0.9]
    out = double[:2]
    for name, n in (("talk", 3), ("turn and stop", 2), ("nod", 2), ("laugh", 1)):
        best = sorted(found[name], key=lambda f: -f[0])[:n]
        out += [(name, k, t) for _, k, t in best]
    return out[:10]


def overlays(tracks: list[Track], make: Make, path: Path) -> None:
    """Draw yaw, jaw and lids of ten moments: truth, raw, smoothed, predicted at the time it is for."""
    plt = _plt()
    chosen = moments(tracks)
    figure, axes = plt.subplots(3, len(chosen), figsize=(2.1 * len(chosen), 5.4), squeeze=False)
    for j, (name, k, middle) in enumerate(chosen):
        r = run(make, k, (0, LIVE_MS))
        low, high = middle - _WINDOW_S / 2, middle + _WINDOW_S / 2

        def line(ax: Any, t: F64, y: F64, low: float = low, high: float = high, **style: Any) -> None:
            keep = (t >= low) & (t <= high)
            ax.plot(t[keep] - low, y[keep], **style)

        for i, (label, signal) in enumerate(_SIGNALS):
            ax = axes[i][j]
            line(ax, k.t, signal(k.truth), color="0.7", lw=3.5)
            line(ax, k.t, signal(k.rows), color="k", marker=".", ms=3, ls="")
            line(ax, k.t, signal(r.at(0)), color="C0", lw=1.0)
            line(ax, k.t + LIVE_MS / 1e3, signal(r.at(LIVE_MS)), color="C3", lw=1.0)
            ax.tick_params(labelsize=6)
            if i == 0:
                ax.set_title(f"{name}\n{k.name}", fontsize=7)
            if i > 0:
                ax.set_ylim(*((-0.3, 1.1) if i == 2 else (-0.02, max(0.2, ax.get_ylim()[1]))))
            if j == 0:
                ax.set_ylabel(label, fontsize=8)
    figure.suptitle(f"truth grey, raw tracking dots, smoothed blue, predicted {LIVE_MS} ms ahead red; 2 s each",
                    fontsize=9)  # fmt: skip
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def imagined_beside_real(figures: dict[str, Any], path: Path) -> None:
    """Draw every statistic: held-out people as dots, imagined stretches as crosses, scaled to the people's spread."""
    plt = _plt()
    figure, ax = plt.subplots(figsize=(7.0, 5.6))
    for i, (_, got) in enumerate(figures.items()):
        people, ours = np.array(got["people"]), np.array(got["imagined"])
        low, high = people.min(), people.max()
        span = max(high - low, 1e-9)
        ax.plot((people - low) / span, np.full(len(people), i) + 0.12, "o", color="C0", ms=4, alpha=0.7)
        ax.plot((ours - low) / span, np.full(len(ours), i) - 0.12, "x", color="C3", ms=4)
        ax.plot((np.median(ours) - low) / span, i - 0.12, "|", color="C3", ms=14)
    ax.set_yticks(range(len(figures)), [n.replace("_", " ") for n in figures], fontsize=7)
    ax.axvspan(0, 1, color="0.92", zorder=0)
    ax.set_xlim(-0.8, 1.8)
    ax.invert_yaxis()
    ax.set_xlabel("0 and 1: lowest and highest held-out person (dots); imagined: crosses, median bar", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
