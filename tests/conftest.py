"""Which instruction set runs: said in the header, and asserted before any test does."""

import os

from coterie import _core


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes seconds; left out when every ISA has its turn")


def pytest_report_header():
    return f"coterie: isa={_core.config()['isa']}, threads={_core.default_threads()}"


def pytest_sessionstart():
    asked, runs = os.environ.get("COTERIE_ISA"), _core.config()["isa"]
    assert not asked or asked == runs, f"COTERIE_ISA={asked}, but the kernels are those of {runs}"


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"ran on isa={_core.config()['isa']}")
