"""Short-horizon dynamics: smooth the params of the past and say where they will be at a future instant.

`Predictor` works on faces; `RowPredictor` does the same on rows of coordinates (`models/dynamics_space.py`) and is what
benchmarks and training look at. What is learned and how: `docs/dynamics.md`.
"""

from __future__ import annotations

import numpy as np

from models.dynamics_history import History
from models.dynamics_lead import Lead
from models.dynamics_net import DEPTH, LONGEST_S, DynamicsNet, depth_share, load_net
from models.dynamics_space import LID_COLUMNS, N_ROW, REGIONS, Development
from models.face import F32, F64, FaceParams

LEAD = 1.0  # share of the learned lead that is shown (models/dynamics_lead.py)
# Mean square change of a part, in squares of the tracker's noise: below the first it rests, above the second
# it moves. At rest it is 1, and up to 2 while what is held is itself off by as much (docs/decisions/0009).
_STILL, _MOVES = 4.0, 10.0
_SPREAD = 0.7  # of what moves most counts for every part: a face that speaks does not rest elsewhere
_SLOW = 0.05  # share of a change that passes at rest, at most
_REST, _MOTION = 1.5, 1.0  # noises that one coordinate's change must reach to pass by more than half
_LONGEST_STEP_S = 0.25  # after a longer gap the past says nothing


_PARTS = (("turn", "shift"), ("brows",), ("lids",), ("eyes", "gaze"), ("jaw", "mouth", "cheeks"), ("learned",))
_PART_OF = np.empty(N_ROW, np.int64)
for _i, _names in enumerate(_PARTS):
    _PART_OF[[c for name in _names for c in REGIONS[name]]] = _i
_SHARES: F64 = (np.arange(len(_PARTS))[:, None] == _PART_OF).astype(np.float64)
_SHARES /= _SHARES.sum(1, keepdims=True)
del _i, _names


class RestFilter:
    """Holds a row still at rest: a change far below the tracker's noise hardly moves it, one far above passes whole.

    A part of the face rests or moves as a whole: one coordinate alone cannot tell, and the noises of a part partly
    cancel in the picture. What is held follows slowly at rest, so a change adds up until it passes.
    """

    def __init__(self, net: DynamicsNet) -> None:
        self._noise2 = net.noise.astype(np.float64) ** 2
        self._row: F64 | None = None

    def calm(self, x: F64) -> F64:
        """Return the row (N_ROW,) to go on with for a measured one."""
        if self._row is None:
            self._row = x.copy()
        else:
            change = x - self._row
            noise2 = self._noise2.copy()
            noise2[DEPTH] *= depth_share(float(x[DEPTH])) ** 2
            square = change * change / noise2
            parts = _SHARES @ square
            moves = np.clip((np.maximum(parts, _SPREAD * parts.max()) - _STILL) / (_MOVES - _STILL), 0.0, 1.0)[_PART_OF]
            held = _SLOW * (1.0 - moves) / (square + _REST**2)
            self._row = self._row + change * square * (held + moves / (square + _MOTION**2))
        return self._row


class RowPredictor:
    """The learned predictor on rows of coordinates; times in s.

    Between tracking and network stands the rest filter, which takes most of a still face's jitter away and costs no
    accuracy (docs/decisions/0009). `lead` buys lag of the head with error: 0 is the least error, 1 as much as was
    learned. `learned` goes on with what was learned of this driver before a gap.
    """

    def __init__(self, net: DynamicsNet, lead: float = LEAD, learned: Lead | None = None) -> None:
        self._net, self._share = net, lead
        self._history = History()
        self._rest = RestFilter(net)
        self.learned = learned or Lead()
        self.learned.forget_waiting()
        self._now: tuple[F32, F32] | None = None  # the past and what the network saw in it

    def observe(self, x: F64, t_s: float) -> None:
        """Take a row measured at `t_s` into account; times must grow."""
        h = self._history
        h.observe(self._rest.calm(x), t_s)
        past = h.past()
        seen = self._net.look(past, h.last, h.step_s)
        self._now = past, seen
        if self._share > 0.0:
            self.learned.learn(h, self._net, seen, past)

    def predict(self, ahead_s: float) -> F64:
        """Return the row (N_ROW,) expected `ahead_s` after the last one; 0 smooths only."""
        assert self._now is not None, "predict before any observation"
        past, seen = self._now
        last, ahead = self._history.last, min(max(ahead_s, 0.0), LONGEST_S)
        out, speed = self._net.ahead(seen, past, last, ahead)
        if ahead > 0.0 and self._share > 0.0:
            self.learned.add(out, speed, ahead, self._share)
        # A closing eye is shown as shut as it is: a prediction that hedges on the opening would shrink the blink.
        for c in LID_COLUMNS:
            shut, shown = float(last[c]), float(out[c])
            out[c] = shown + min(max((shut - 0.15) / 0.2, 0.0), 1.0) * max(shut - shown, 0.0)
        return out


class Predictor:
    """Smooths and predicts one driver's params; irregular timestamps and gaps are expected."""

    def __init__(self, net: DynamicsNet | None = None) -> None:
        self._net = net or load_net()
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._first_ns = self._at_ns = 0
        self._rows: RowPredictor | None = None
        self._space = Development()

    def observe(self, params: FaceParams, captured_ns: int) -> None:
        """Take one tracked instant into account; an instant not newer than the last is ignored."""
        if self._rows is not None:
            if captured_ns <= self._at_ns:
                return
            if captured_ns - self._at_ns > _LONGEST_STEP_S * 1e9:
                learned = self._rows.learned
                self.reset()
                self._rows, self._first_ns = RowPredictor(self._net, learned=learned), captured_ns
        if self._rows is None:
            self._rows, self._first_ns = RowPredictor(self._net), captured_ns
        self._at_ns = captured_ns
        self._rows.observe(self._space.row(params), (captured_ns - self._first_ns) * 1e-9)

    def predict(self, at_ns: int) -> FaceParams:
        """Return the params expected at `at_ns`, ns, at most 150 ms ahead; coefficients stay in range.

        Raises RuntimeError before the first observation.
        """
        if self._rows is None:
            raise RuntimeError("predict before any observation")
        return self._space.params(self._rows.predict((at_ns - self._at_ns) * 1e-9))


class Calmer:
    """The rest filter alone, for offline pace: stills the tracker's noise, delays nothing and predicts nothing."""

    def __init__(self, net: DynamicsNet | None = None) -> None:
        self._net = net or load_net()
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._filter = RestFilter(self._net)
        self._space = Development()
        self._row: F64 | None = None

    def observe(self, params: FaceParams, captured_ns: int) -> None:
        """Take the next tracked instant into account; the filter does not ask when it was."""
        del captured_ns
        self._row = self._filter.calm(self._space.row(params))

    def predict(self, at_ns: int) -> FaceParams:
        """Return the params of the last instant, whatever `at_ns`.

        Raises RuntimeError before the first observation.
        """
        del at_ns
        if self._row is None:
            raise RuntimeError("predict before any observation")
        return self._space.params(self._row)
