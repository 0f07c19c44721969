#!/usr/bin/env python3
"""A virtual machine that boots Debian's kernel on this machine's own files, for what needs a kernel module.

`python tests/vm/machine.py` runs the virtual camera's tests in it (`make test-vcam`). The guest sees the machine's root
read-only over 9p, under an overlay in memory: it runs the project's own environment and leaves nothing behind. It is
emulated (TCG), so it needs no KVM and is about ten times slower than the machine.
"""

from __future__ import annotations

import gzip
import importlib.util
import lzma
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("linux-image-amd64", "linux-headers-amd64", "qemu-system-x86", "busybox-static", "cpio", "make", "gcc",
            "kmod", "ffmpeg", "v4l-utils", "libportaudio2")  # fmt: skip
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "videodev")
NOT_HERE = 77  # exit code: this machine cannot run the test; nothing was tested
NO_VERDICT = 78  # exit code: the guest was too slow or stopped; what it tested is unknown


class CannotRunError(Exception):
    """This machine lacks what the virtual machine needs; the words say what to do."""


def say(text: str) -> None:
    """Write a line to the person who waits."""
    sys.stdout.write(f"test-vcam: {text}\n")
    sys.stdout.flush()


def missing(packages: Sequence[str]) -> list[str]:
    """Return those of the Debian `packages` that are not installed."""
    if shutil.which("dpkg-query") is None:
        raise CannotRunError("this is not a Debian system (no dpkg); run it in a Debian 12 machine or container")
    lines = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages], check=False,
                           capture_output=True, text=True).stdout.split("\n")  # fmt: skip
    here = {line.split()[0] for line in lines if line.endswith(" installed")}
    return [package for package in packages if package not in here]


def install(packages: Sequence[str]) -> None:
    """Install Debian packages if we may; raises `CannotRunError` with the command otherwise."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CannotRunError(f"packages are missing; run `sudo {shlex.join(command)}`")
    say(f"installing {' '.join(packages)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update", "-q"], command):
        done = subprocess.run(step, check=False, capture_output=True, text=True, env=environment, timeout=900)
        if done.returncode and step is command:
            raise CannotRunError(f"`{shlex.join(command)}` failed: {done.stderr.strip().splitlines()[-1:]}")


def kernel() -> str:
    """Return the newest installed kernel version that has modules and headers."""
    found = [path.name for path in Path("/lib/modules").glob("*")
             if (path / "build").exists() and Path("/boot", f"vmlinuz-{path.name}").exists()]  # fmt: skip
    if not found:
        raise CannotRunError("no kernel with headers is installed; run `sudo apt-get install linux-image-amd64 "
                             "linux-headers-amd64`")  # fmt: skip
    return max(found, key=lambda name: [int(part) for part in name.replace("-", ".").split(".") if part.isdigit()])


def build_loopback(version: str, work: Path) -> Path:
    """Return v4l2loopback.ko, built once for kernel `version` from Debian's own source package."""
    built = work / f"v4l2loopback-{version}.ko"
    if built.exists():
        return built
    with tempfile.TemporaryDirectory(prefix="v4l2loopback-") as folder:
        here = Path(folder)
        sources = sorted(Path("/usr/src").glob("v4l2loopback-*"))
        if not sources:
            # The module alone: the package itself would have dkms build it for the running kernel.
            got = subprocess.run(["apt-get", "download", "v4l2loopback-dkms"], cwd=here, check=False,
                                 capture_output=True)  # fmt: skip
            packages = list(here.glob("*.deb"))
            if got.returncode or not packages:
                raise CannotRunError("`apt-get download v4l2loopback-dkms` failed; is Debian's archive reachable?")
            subprocess.run(["dpkg", "-x", packages[0], here / "x"], check=True)
            sources = sorted((here / "x/usr/src").glob("v4l2loopback-*"))
        shutil.copytree(sources[-1], here / "module")
        subprocess.run(["make", "-s", "-C", f"/lib/modules/{version}/build", f"M={here / 'module'}", "modules"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        shutil.move(here / "module/v4l2loopback.ko", built)
    return built


def needed_modules(version: str, names: Sequence[str]) -> list[Path]:
    """Return the files of modules `names` and what they depend on, in loading order."""
    files: dict[str, None] = {}
    for name in names:
        lines = subprocess.run(["modprobe", "-S", version, "--show-depends", name], check=True, capture_output=True,
                               text=True).stdout.splitlines()  # fmt: skip
        files |= dict.fromkeys(line.split()[1] for line in lines if line.startswith("insmod "))
    return [Path(file) for file in files]


def make_initramfs(version: str, modules: Sequence[str], target: Path) -> None:
    """Write the initramfs: busybox, the modules, and `init.sh`."""
    with tempfile.TemporaryDirectory(prefix="initramfs-") as folder:
        here = Path(folder)
        for name in ("bin", "modules", "proc", "sys", "dev", "low", "up", "machine"):
            (here / name).mkdir()
        shutil.copy("/bin/busybox", here / "bin/busybox")
        shutil.copy(Path(__file__).with_name("init.sh"), here / "init")
        (here / "init").chmod(0o755)
        order = []
        for path in needed_modules(version, modules):
            data = path.read_bytes()
            data = lzma.decompress(data) if path.suffix == ".xz" else data
            order.append(path.name.removesuffix(".xz"))
            (here / "modules" / order[-1]).write_bytes(data)
        (here / "modules/order").write_text("\n".join(order) + "\n")
        names = "\n".join(str(path.relative_to(here)) for path in sorted(here.rglob("*")))
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=here, input=names.encode(), check=True,
                                 capture_output=True).stdout  # fmt: skip
        target.write_bytes(gzip.compress(archive, 1))


def run(job: str, share: Path, version: str, work: Path, *, modules: Sequence[str] = MODULES, timeout_s: float = 600.0,
        memory_mb: int = 4096) -> int:  # fmt: skip
    """Boot, run the shell script `job` on the machine's files with `share` writable at /run/share; return its code."""
    initramfs = work / "initramfs.gz"
    make_initramfs(version, modules, initramfs)
    (share / "job.sh").write_text(job)
    (share / "rc").unlink(missing_ok=True)
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(memory_mb),
        "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-device", "virtio-rng-pci",
        "-kernel", f"/boot/vmlinuz-{version}", "-initrd", str(initramfs),
        "-append", "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off random.trust_cpu=on tsc=reliable",
        "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
        "-virtfs", f"local,path={share},mount_tag=share,security_model=none",
    ]  # fmt: skip
    try:
        subprocess.run(command, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        say(f"the guest did not finish within {timeout_s:.0f} s")
        return NO_VERDICT
    code = share / "rc"
    return int(code.read_text()) if code.exists() else NO_VERDICT


# The guest's processor is another one: machine code that both can run is compiled here, where it is fast.
PORTABLE = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "OPENBLAS_NUM_THREADS": "1"}


def prepare(work: Path, share: Path) -> str:
    """Get packages, module and compiled kernels ready; return the kernel version."""
    install(missing(PACKAGES))
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["vcam"]
    if importlib.util.find_spec("pyvirtualcam") is None:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *extra], check=True)
    version = kernel()
    shutil.copy(build_loopback(version, work), share / "v4l2loopback.ko")
    for name in ("figures.json", "engine.png"):
        (share / name).unlink(missing_ok=True)
    warm = "run_live.py --driver imagine --output null --generator off --size 256 --seconds 1"
    subprocess.run([sys.executable, *shlex.split(warm)], cwd=ROOT, check=True, stderr=subprocess.DEVNULL,
                   env=os.environ | PORTABLE | {"NUMBA_CACHE_DIR": str(share / "numba")})  # fmt: skip
    return version


def main(arguments: list[str]) -> int:
    """Run the tests of this folder in the guest; arguments go to pytest."""
    work = ROOT / "out" / "vm"
    share = work / "share"
    share.mkdir(parents=True, exist_ok=True)
    try:
        version = prepare(work, share)
    except CannotRunError as error:
        say(f"not run: {error}")
        return NOT_HERE
    environment = PORTABLE | {"HOME": str(Path.home()), "FACEANIME_GUEST": "1", "NUMBA_CACHE_DIR": "/run/share/numba",
                              "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
    pytest = "-m pytest tests/vm -p no:cacheprovider --color=no --durations=12 --durations-min=1"
    tests = f"{shlex.quote(sys.executable)} {pytest} {shlex.join(arguments)}"
    say(f"booting Linux {version} in emulation; this takes a few minutes")
    start = time.monotonic()
    code = run(f"cd {shlex.quote(str(ROOT))} || exit 1\n{exports}\n{tests}\n", share, version, work, timeout_s=1200)
    word = "passed" if code == 0 else "FAILED"
    say(f"{word} after {time.monotonic() - start:.0f} s; figures in {share / 'figures.json'}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
