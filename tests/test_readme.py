"""README says nothing that is not so: its code runs, its commands exist."""

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import coterie
import numpy as np
import pytest
from coterie.cli import build_parser

README = Path(__file__).resolve().parent.parent / "README.md"
in_tree = pytest.mark.skipif(not README.exists(), reason="not in the source tree")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)


@in_tree
def test_quickstart_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quickstart = "".join(blocks("python"))  # one after the other, in one session
    assert all(len(block.splitlines()) <= 20 for block in blocks("python"))
    exec(compile(quickstart, "README.md", "exec"), {"__name__": "readme"})
    # What a comment promises after a print is what it prints.
    promised = re.findall(r"^print\(.*\)  # (.*)$", quickstart, re.M)
    assert capsys.readouterr().out.splitlines() == promised
    assert promised


@in_tree
def test_commands_parse():
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    ours = [line for line in lines if line.startswith("coterie ")]
    assert len(ours) >= 3
    for line in ours:
        assert callable(build_parser().parse_args(shlex.split(line, comments=True)[1:]).run)


@in_tree
def test_the_two_commands_are_single_lines():
    text = README.read_text("utf-8")
    found = re.findall(r"<!-- (\w+) command -->\n```sh\n(.*)\n```\n<!-- /\1 command -->", text)
    assert [name for name, _ in found] == ["demo", "test"]
    assert all("python3 -m venv" in line for _, line in found)


@in_tree
def test_readme_names_what_exists():
    text = README.read_text("utf-8")
    for name in re.findall(r"`coterie\.(\w+)", text):
        assert hasattr(coterie, name), f"README.md names coterie.{name}, which does not exist"
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text):
        assert (README.parent / target).exists(), f"README.md links to {target}, which is not there"


def modules():
    found = pkgutil.walk_packages(coterie.__path__, "coterie.")
    return ["coterie", *(m.name for m in found if m.name not in ("coterie.__main__",))]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    with np.printoptions():
        failed, _ = doctest.testmod(module)
    assert failed == 0
