"""The rules of the house, kept by reading the tree; every failure says what to do."""

import ast
import re
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "cpp"
STOREYS = ("base", "engine", "algo", "bind")  # each may include itself and what stands before it
SOURCES = {".cpp", ".hpp", ".h", ".py", ".pyi"}
LINES, FUNCTION_LINES = 400, 60
INTRINSIC = re.compile(
    r"\b_mm\d*_\w+|\b__m(?:64|128|256|512)\w*|\b__builtin_ia32_\w+"
    r"|\bv[a-z0-9]+q_(?:n_|lane_)?[fsu](?:8|16|32|64)\b|\b(?:float|u?int)\d+x\d+_t\b|<\w*(?:intrin|arm_neon|arm_sve)\.h>"
)
OPENMP = re.compile(r"#\s*pragma\s+omp\b|\bomp_\w+\s*\(|<omp\.h>")
PYBIND = re.compile(r"pybind11|<Python\.h>")
FLAGS = re.compile(r"-f(?:unsafe-math|fast-math)\w*|-ffast-math|-Ofast|-march=native|-mtune=native")


# ---- checkers: text in, sentences out


def without_comments(text, suffix):
    """The text with comments blanked, so that a comment may name what the code may not."""
    pattern = r"//[^\n]*|/\*.*?\*/" if suffix in (".cpp", ".hpp", ".h") else r"#[^\n]*"
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def storey_of(path):
    """The storey of a path below cpp/, or None for what stands beside them."""
    first = PurePosixPath(path).parts[0]
    return first if first in STOREYS else None


def wrong_includes(path, text, files):
    """Includes that go up; `files` are the paths below cpp/ that exist."""
    here = storey_of(path)
    for line, name in re.findall(r'^(\s*#\s*include\s+"([^"]+)")', text, re.M):
        beside = _normal(PurePosixPath(path).parent / name)
        target = beside if beside in files else _normal(PurePosixPath(name))
        there = storey_of(target)
        if here and there and STOREYS.index(there) > STOREYS.index(here):
            yield (
                f"cpp/{path}: {line.strip()} goes up from {here}/ to {there}/; arrows point "
                f"{' <- '.join(STOREYS)}, so move what both need down to {here}/ or below"
            )


def _normal(path):
    parts = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def misplaced(path, text, pattern, allowed, advice):
    """Matches of a pattern in a file whose path does not match `allowed`."""
    if re.fullmatch(allowed, path):
        return
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"{path}, line {line}: {match.group()!r} {advice}"


def too_long(path, text):
    """A file beyond the limit."""
    n = len(text.splitlines())
    if n > LINES:
        yield f"{path}: {n} lines; split it by subject, a file has {LINES} at most"


def long_functions(path, text):
    """Python functions beyond the limit, docstring apart."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        n = node.end_lineno - node.lineno + 1
        if ast.get_docstring(node, clean=False) is not None:
            n -= node.body[0].end_lineno - node.body[0].lineno + 1
        if n > FUNCTION_LINES:
            yield (
                f"{path}, line {node.lineno}: {node.name} has {n} lines without its docstring; "
                f"take a step out of it, a function has {FUNCTION_LINES} at most"
            )


def unmapped(files, readme):
    """Files the map does not name, and names on the map without a file.

    A line of the map names a path below cpp/, `base/view.hpp`, or a pair, `base/threads.*`.
    """
    named = set(re.findall(r"\b(?:[a-z]\w*/)+\w+\.(?:cpp|hpp|\*)", readme))
    for path in sorted(files):
        if path not in named and str(PurePosixPath(path).with_suffix(".*")) not in named:
            yield f"cpp/{path}: not on the map; give it a line in cpp/README.md"
    stems = {str(PurePosixPath(path).with_suffix(".*")) for path in files}
    for name in sorted(named - set(files) - stems):
        yield f"cpp/README.md: {name} does not exist; take its line off the map"


# ---- the tree


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SOURCES and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def cpp_files():
    return {p.relative_to(CPP).as_posix() for p in CPP.rglob("*") if p.suffix in (".cpp", ".hpp")}


def report(complaints):
    complaints = list(complaints)
    assert not complaints, "\n" + "\n".join(complaints)


in_tree = pytest.mark.skipif(
    not (CPP / "README.md").exists() and not (ROOT / "CMakeLists.txt").exists(),
    reason="not in the source tree",
)


@in_tree
def test_includes_point_one_way():
    files = cpp_files()
    report(
        complaint
        for path, text in sources("cpp")
        for complaint in wrong_includes(path.removeprefix("cpp/"), text, files)
    )


@in_tree
@pytest.mark.parametrize(
    ("pattern", "allowed", "advice"),
    [
        (
            INTRINSIC,
            r"cpp/engine/leaf/simd\.hpp",
            "is an intrinsic; wrap it in engine/leaf/simd.hpp",
        ),
        (OPENMP, r"cpp/base/threads\.(cpp|hpp)", "is OpenMP; use parallel_blocks of base/threads"),
        (PYBIND, r"cpp/bind/.*", "knows Python; that belongs in cpp/bind/"),
    ],
    ids=["intrinsics", "openmp", "pybind11"],
)
def test_everything_is_in_its_room(pattern, allowed, advice):
    report(
        complaint
        for path, text in sources("cpp")
        for complaint in misplaced(
            path, without_comments(text, Path(path).suffix), pattern, allowed, advice
        )
    )


@in_tree
def test_files_are_short():
    report(
        c for path, text in sources("cpp", "python", "tests", "bench") for c in too_long(path, text)
    )


@in_tree
def test_functions_are_short():
    report(
        complaint
        for path, text in sources("python", "tests", "bench")
        if path.endswith(".py")
        for complaint in long_functions(path, text)
    )


@in_tree
def test_the_map_is_true():
    report(unmapped(cpp_files(), (CPP / "README.md").read_text(encoding="utf-8")))


@in_tree
def test_no_flag_that_breaks_a_promise():
    files = [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json", ROOT / "pyproject.toml"]
    files += [*CPP.rglob("CMakeLists.txt"), *CPP.rglob("*.cmake"), ROOT / ".ci" / "run"]
    files += [p for p in CPP.rglob("*") if p.suffix in (".cpp", ".hpp")]
    advice = "breaks NaN handling, reproducibility or other machines; take it out"
    report(
        complaint
        for path in files
        if path.exists()
        for complaint in misplaced(
            path.relative_to(ROOT).as_posix(),
            without_comments(path.read_text(encoding="utf-8"), path.suffix),
            FLAGS,
            "",
            advice,
        )
    )


# ---- the checkers see what they should


def test_checker_of_includes():
    files = {"base/view.hpp", "engine/leaf/pack.hpp", "engine/leaf/tile.hpp", "algo/kmeans.hpp"}

    def found(path, text):
        return list(wrong_includes(path, text, files))

    assert found("engine/leaf/tile.hpp", '#include "pack.hpp"\n#include "base/view.hpp"') == []
    assert found("bind/kmeans.cpp", '#include "algo/kmeans.hpp"\n#include <vector>') == []
    for include in ("algo/kmeans.hpp", "../algo/kmeans.hpp"):
        (sentence,) = found("engine/drive.cpp", f'#include "{include}"')
        assert "goes up from engine/ to algo/" in sentence
    (sentence,) = found("base/view.hpp", '  #  include "../engine/leaf/pack.hpp"')
    assert "move what both need down" in sentence


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (INTRINSIC, "__m = mm_add(v, a_mm); value_f(3)", "x = _mm256_fmadd_ps(a, b, c);"),
        (INTRINSIC, "#include <immutable.h>", "#include <immintrin.h>"),
        (INTRINSIC, "__builtin_cpu_supports", "__m512d x;"),
        (INTRINSIC, "vector_f32()", "vfmaq_f32(a, b, c)"),
        (INTRINSIC, "", "__builtin_ia32_pause()"),
        (OPENMP, "#pragma once", "# pragma omp parallel for"),
        (OPENMP, "comp_get(1)", "omp_get_max_threads()"),
        (PYBIND, "python", "#include <pybind11/numpy.h>"),
        (FLAGS, "-ffp-contract=fast -O3", "-O3 -ffast-math"),
        (FLAGS, "-march=x86-64-v3 -mavx2", "-march=native"),
    ],
)
def test_checkers_of_places(pattern, good, bad):
    assert list(misplaced("cpp/x.cpp", good, pattern, "no", "advice")) == []
    (sentence,) = misplaced("cpp/x.cpp", f"\n{bad}", pattern, "no", "advice")
    assert sentence.startswith("cpp/x.cpp, line 2: ")
    assert sentence.endswith("advice")
    assert list(misplaced("cpp/x.cpp", bad, pattern, r"cpp/x\.\w+", "advice")) == []


def test_checkers_do_not_read_comments():
    text = "// _mm_add_ps\n/* #pragma omp\n_mm_mul_ps */ int x;\n"
    assert without_comments(text, ".hpp").split() == ["int", "x;"]
    assert without_comments(text, ".hpp").count("\n") == 3
    assert without_comments("set(x) # -ffast-math\n", ".txt").split() == ["set(x)"]


def test_checkers_of_length():
    assert list(too_long("a.py", "\n" * LINES)) == []
    (sentence,) = too_long("a.py", "\n" * (LINES + 1))
    assert "split it" in sentence
    body = "    x = 1\n" * (FUNCTION_LINES - 1)
    assert list(long_functions("a.py", f"def f():\n{body}")) == []
    docstring = '    """One.\n\n    Two.\n    """\n'
    assert list(long_functions("a.py", f"def f():\n{docstring}{body}")) == []
    (sentence,) = long_functions("a.py", f"class A:\n  def f(self):\n{body}    x = 2\n")
    assert f"f has {FUNCTION_LINES + 1} lines" in sentence


def test_checker_of_the_map():
    files = {"base/view.hpp", "base/threads.hpp", "base/threads.cpp"}
    assert list(unmapped(files, "base/view.hpp  rows\n`base/threads.*`  blocks")) == []
    assert "not on the map" in "".join(unmapped(files, "base/threads.*"))
    (sentence,) = unmapped(files, "base/view.hpp base/threads.* engine/gone.cpp")
    assert "engine/gone.cpp does not exist" in sentence
