"""``coterie info``: what was built, and what this machine makes of it."""

from __future__ import annotations

import json
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from coterie import _core
from coterie.cli.streams import tell

__all__ = ["collect", "run"]

OPTIONAL = ("pyarrow", "rich", "scipy")


def run(*, as_json: bool) -> None:
    """Print the facts as lines, or as one JSON object."""
    facts = collect()
    if as_json:
        tell(json.dumps(facts))
        return
    usable = ", ".join(isa for isa in facts["isas"] if isa != "odd")  # odd: for tests
    shown = {
        "coterie": facts["version"],
        "ISA": f"{facts['isa']} (usable: {usable})",
        "threads": facts["threads"],
        "OpenMP": facts["openmp"] or "none: everything runs on one thread",
        "runtimes": ", ".join(facts["runtimes"]) or "unknown",
        "compiler": facts["compiler"],
        "Python": facts["python"],
        "NumPy": facts["numpy"],
        "extras": ", ".join(f"{k} {v or 'not installed'}" for k, v in facts["extras"].items()),
    }
    tell("\n".join(f"{name:<9} {value}" for name, value in shown.items()))


def collect() -> dict[str, Any]:
    """Return the facts of this build and process.

    Returns
    -------
    dict
        The core's own `config`, and `python`, `numpy`, `extras` (version or None for each optional
        package) and `runtimes` (OpenMP libraries in this process; two of them compete for CPUs).
    """
    extras: dict[str, str | None] = {}
    for name in OPTIONAL:
        try:
            extras[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            extras[name] = None
    return {
        **_core.config(),
        "runtimes": _runtimes(),
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "extras": extras,
    }


def _runtimes() -> list[str]:
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:  # not Linux
        return []
    return sorted(set(re.findall(r"(/\S*/lib(?:g|i)?omp[^/\s]*)", maps)))
