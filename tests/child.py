"""Code in a process of its own, so that a crash, a hang or a signal cannot take the suite along."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def start(*argv, timeout=600, **environment):
    """Run this Python with `argv`; the tests' own modules can be imported there."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *argv],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def run(code, timeout=600, **environment):
    """Run `code` and return what it prints; any other exit code than 0 fails."""
    done = start("-c", code, timeout=timeout, **environment)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()
