"""Gets other sources ready while the run goes on, so that the compute thread only exchanges one puppet for another."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.transfer import Gains
from realtime.controls import Controls, SetBackdrop, UsePuppet
from realtime.errors import UserError
from realtime.stages import Dress, Dressed, Stages
from realtime.types import U8

_LOG = logging.getLogger("faceanime.wardrobe")


@dataclass(frozen=True)
class Order:
    """A source as it is to be shown."""

    path: Path
    size: int | None  # --size
    finished: bool  # with the generator


@dataclass(frozen=True, eq=False)
class Ready:
    """A source that can be shown at once."""

    order: Order
    dressed: Dressed
    rest: U8  # (H, W, 3) the source at rest


Said = Callable[[Order, "Ready | None", "str | None"], None]  # order, what came of it, or what went wrong


class Wardrobe:
    """One thread that prepares sources: the one asked for first, then those that may be asked for next."""

    def __init__(self, stages: Stages, shown: Order, controls: Controls, keep: int, said: Said,
                 background: str = "own") -> None:  # fmt: skip
        assert stages.dress is not None
        self._dress: Dress = stages.dress
        self._stages, self._controls, self._keep, self._said = stages, controls, keep, said
        self._changed = threading.Condition()
        self._ready: OrderedDict[Order, Ready] = OrderedDict()
        self._wanted: Order | None = None
        self._background = background
        self._repaint = False
        self._spare: deque[Order] = deque()
        self._looks = 0
        self._shown = shown
        self._closed = False
        if stages.first is not None:
            self._ready[shown] = Ready(shown, stages.first, self._at_rest(stages.first))
        self._thread = threading.Thread(target=self._work, name="wardrobe", daemon=True)
        self._thread.start()

    def use(self, order: Order) -> None:
        """Show a source as soon as it is ready; a newer wish replaces one that has not been met yet."""
        with self._changed:
            self._wanted = order
            self._changed.notify()

    def use_background(self, word: str) -> None:
        """Show another background, now and behind the sources that follow."""
        with self._changed:
            self._background, self._repaint = word, True
            self._changed.notify()

    def prepare(self, order: Order) -> None:
        """Get a source ready that may be asked for soon."""
        with self._changed:
            if order not in self._ready and order not in self._spare:
                self._spare.append(order)
                self._changed.notify()

    def is_ready(self, order: Order) -> bool:
        """Whether a source can be shown at once."""
        return order in self._ready

    def close(self, bound_s: float) -> None:
        """End the thread; one that is in the middle of a source gets `bound_s` to end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(bound_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wanted or self._repaint or self._spare)
                if self._closed:
                    return
                wanted, self._wanted = self._wanted, None
                repaint, self._repaint = self._repaint, False
                spare = self._spare.popleft() if wanted is None and not repaint else None
            if wanted is not None:
                self._show(wanted)
            elif repaint:
                self._paint()
            elif spare is not None:
                self._get(spare)

    def _show(self, order: Order) -> None:
        """Hand a source over to the compute thread."""
        ready = self._get(order)
        if ready is None:
            return
        with self._changed:
            if self._wanted is not None:
                return  # overtaken
            word, self._repaint = self._background, False
        plate = self._plate(ready, word)
        self._looks += 1
        self._shown = order
        ready.dressed.puppet.forget()  # it may have been shown before
        self._controls.put(UsePuppet(ready.dressed.puppet, ready.rest, self._looks, plate, word))
        self._said(order, ready, None)

    def _paint(self) -> None:
        """Make the background for the source that is shown."""
        ready = self._ready.get(self._shown)
        if ready is not None:
            word = self._background
            self._controls.put(SetBackdrop(self._plate(ready, word), self._looks, word))

    def _plate(self, ready: Ready, word: str) -> U8 | None:
        """Return the background; one that cannot be made is the photo's own, and that is said."""
        try:
            return ready.dressed.backdrop(word)
        except UserError as error:
            self._said(ready.order, ready, str(error))
            return None

    def _get(self, order: Order) -> Ready | None:
        """Return the source, prepared now if need be; None when it cannot be used, and that is said."""
        ready = self._ready.get(order)
        if ready is None:
            try:
                dressed = self._dress(order.path, order.size, order.finished)
                ready = Ready(order, dressed, self._at_rest(dressed))
            except UserError as error:
                self._said(order, None, str(error))
                return None
            except Exception as error:
                _LOG.warning("preparing %s", order.path, exc_info=True)
                self._said(order, None, f"a fault of the engine: {error!r}")
                return None
            self._ready[order] = ready
            self._said(order, ready, None)
        self._ready.move_to_end(order)
        for old in [o for o in self._ready if o not in (order, self._shown)][: max(0, len(self._ready) - self._keep)]:
            del self._ready[old]
        return ready

    def _at_rest(self, dressed: Dressed) -> U8:
        """Render the source at rest: the first picture would be a slow one."""
        rest = self._stages.rest
        return dressed.puppet.render(dressed.puppet.retarget(rest, rest, Gains()))
