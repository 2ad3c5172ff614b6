"""Which instruction set runs: in the header, asserted before any test. Interrupts: heard."""

import os
import signal

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
