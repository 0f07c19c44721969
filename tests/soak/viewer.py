"""A viewer of the control page, a program of its own: python viewer.py ws://HOST:PORT/api/preview SECONDS [WAIT].

Says "ready", waits for a line, then asks for picture after picture as a browser does (WAIT seconds between two: a
slow one), and prints one line of JSON: how many came and the longest time between two.
"""

from __future__ import annotations

import json
import sys
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def look(address: str, seconds: float, wait_s: float) -> dict[str, float]:
    """Look at the page until `seconds` have passed or it goes away."""
    count, longest, last = 0, 0.0, None
    end = time.monotonic() + seconds
    try:
        with connect(address, max_size=None) as link:
            while time.monotonic() < end:
                link.send("next")
                picture = link.recv(10)
                assert isinstance(picture, bytes)
                assert picture[:2] == b"\xff\xd8", "no JPEG"
                now = time.monotonic()
                longest = max(longest, now - (last or now))
                count, last = count + 1, now
                time.sleep(wait_s)
    except (ConnectionClosed, TimeoutError, OSError):
        pass
    return {"pictures": count, "longest_gap_ms": round(longest * 1e3, 1)}


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    found = look(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
    sys.stdout.write(json.dumps(found) + "\n")
