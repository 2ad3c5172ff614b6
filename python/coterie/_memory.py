"""How much memory this process may still use, asked before something large is allocated."""

from __future__ import annotations

import re
import resource
from pathlib import Path

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
CONTROLS = {  # cgroup version: root, limit, in use, the part of this that is given back on demand
    2: ("", "memory.max", "memory.current", "inactive_file"),
    1: ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}

UNLIMITED = 2**62  # version 1 says so by a number


def available_memory() -> float:
    """Return the bytes this process may still use, or infinity where the system does not say.

    The least of: what the system can hand out without swapping, what the limits of the process's
    control groups leave, what its limit of address space leaves.
    """
    free = re.search(r"^MemAvailable:\s+(\d+) kB", _text(f"{PROC}/meminfo"), re.M)
    bounds = [1024.0 * int(free[1])] if free else []
    for line in _text(f"{PROC}/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            bounds += _left_in_cgroups(path, 1 if controllers else 2)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and (used := _text(f"{PROC}/self/statm").split()):
        bounds.append(float(limit - int(used[0]) * resource.getpagesize()))
    return max(0.0, min(bounds, default=float("inf")))


def require_memory(n_bytes: int, what: str, advice: str) -> None:
    """Raise MemoryError, saying what to do, where `n_bytes` are not to be had."""
    available = available_memory()
    if n_bytes > available:
        raise MemoryError(
            f"{what}: wanted {n_bytes:,} bytes of memory, got {available:,.0f} available; {advice}"
        )


def _left_in_cgroups(path: str, version: int) -> list[float]:
    """Return what the limits of a control group and of those above it leave."""
    root, limit, used, cached = CONTROLS[version]
    parts = [part for part in f"{root}{path}".split("/") if part]
    left = []
    for end in range(len(parts), -1, -1):
        folder = "/".join([str(CGROUP), *parts[:end]])
        most = _number(f"{folder}/{limit}")
        if most is None or most >= UNLIMITED:
            continue
        now = _number(f"{folder}/{used}")
        if now is not None:
            spare = re.search(rf"^{cached} (\d+)$", _text(f"{folder}/memory.stat"), re.M)
            left.append(float(most - now + int(spare[1] if spare else 0)))
    return left


def _number(path: str) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None  # 'max' is no limit


def _text(path: str) -> str:
    # Plain names and unbuffered files: small data should not wait for this.
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read().decode("ascii", "replace")
    except OSError:
        return ""
