"""Which instruction set runs: in the header, asserted before any test. Interrupts: heard."""

import contextlib
import os
import signal
import threading
import time

import pytest
from coterie import _core


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes seconds; left out when every ISA has its turn")


def pytest_report_header():
    return f"coterie: isa={_core.config()['isa']}, threads={_core.default_threads()}"


def pytest_sessionstart():
    # A shell starts its background jobs with interrupts ignored, and so would be the tests' own.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked, runs = os.environ.get("COTERIE_ISA"), _core.config()["isa"]
    assert not asked or asked == runs, f"COTERIE_ISA={asked}, but the kernels are those of {runs}"


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"ran on isa={_core.config()['isa']}")


@pytest.fixture
def ctrl_c():
    """``with ctrl_c(after=seconds):`` what runs there is interrupted, and must soon be left."""

    @contextlib.contextmanager
    def ctrl_c(after):
        sent = []

        def send():
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(after, send)
        timer.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                yield
            assert time.monotonic() - sent[0] < 2  # 0.2 on a quiet machine
        finally:
            timer.cancel()

    return ctrl_c
