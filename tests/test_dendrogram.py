"""Dendrograms: SciPy's result by name and value, and trees that SciPy cannot walk."""

import sys
from functools import cache

import numpy as np
import pytest
from coterie.hierarchy import dendrogram, set_link_color_palette

PAIRS = [[0, 1, 1, 2], [2, 3, 2, 2], [4, 5, 9, 4]]
METHODS = ["single", "complete", "average", "weighted", "centroid", "median", "ward"]
PARTS = ["icoord", "dcoord", "ivl", "leaves", "color_list", "leaves_color_list"]


def computed(Z, **options):
    return dendrogram(Z, no_plot=True, **options)


def chain(n):
    """Observation 0 meets 1, then 2, and so on."""
    t = np.arange(n - 1.0)
    first = np.where(t == 0, 0, n + t - 1)
    return np.stack([first, t + 1, t + 1, t + 2], axis=1)


def plain(value):
    return [plain(one) for one in value] if isinstance(value, list) else value


def agrees(Z, **options):
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    expected = hierarchy.dendrogram(np.asarray(Z, float), no_plot=True, **options)
    got = computed(Z, **options)
    assert list(got) == PARTS
    for name in PARTS:
        assert plain(got[name]) == plain(expected[name]), name


@cache
def trees(method):
    """Trees with and without ties; of centroid and median some with inversions."""
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    rng = np.random.default_rng(len(method))
    rows = [(rng.normal(size=(n, 2)), rng.integers(0, 5, (n, 2))) for n in (2, 3, 4, 9, 33, 60)]
    return [hierarchy.linkage(X.astype(float), method) for pair in rows for X in pair]


# ---- the result is SciPy's


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"count_sort": True},
        {"count_sort": "ascending"},
        {"count_sort": "descending"},
        {"distance_sort": True},
        {"distance_sort": "descending"},
        {"count_sort": "descending", "distance_sort": "ascending"},
        {"color_threshold": 0},
        {"color_threshold": 1.5, "above_threshold_color": "k"},
        {"color_threshold": "default"},
        {"color_threshold": np.inf},
        {"orientation": "left"},
        {"leaf_label_func": str, "link_color_func": "node {}".format},
    ],
    ids=repr,
)
@pytest.mark.parametrize("method", METHODS)
def test_agrees_with_scipy(method, options):
    for Z in trees(method):
        agrees(Z, **options)


@pytest.mark.parametrize("mode", ["lastp", "level", "mtica", "none", None])
@pytest.mark.parametrize("p", [-1, 0, 1, 2, 3.7, 7, 32, 33, 61])
def test_truncation_agrees_with_scipy(mode, p):
    for Z in trees("average") + trees("centroid"):
        names = [f"row {i}" for i in range(len(Z) + 1)]
        agrees(Z, p=p, truncate_mode=mode)
        agrees(Z, p=p, truncate_mode=mode, show_leaf_counts=False, labels=names)


def test_lists_integers_and_float32_are_trees():
    expected = computed(PAIRS)
    for Z in (np.array(PAIRS), np.array(PAIRS, "f4"), np.asfortranarray(np.array(PAIRS, "f8"))):
        assert computed(Z) == expected
    assert computed(PAIRS, p=np.int64(2), truncate_mode="lastp")["ivl"] == ["(2)", "(2)"]


def test_labels_of_any_kind():
    for labels in (["a", "b", "c", "d"], "abcd", np.array(list("abcd"))):
        assert computed(PAIRS, labels=labels)["ivl"] == list("abcd")
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(list("abcd"), index=[9, 8, 7, 6])
    assert computed(PAIRS, labels=series)["ivl"] == list("abcd")
    with pytest.raises(ValueError, match=r"labels: .*4, got 3: dimensions of Z and labels"):
        computed(PAIRS, labels="abc")


def test_without_leaves():
    got = computed(PAIRS, get_leaves=False)
    assert got["leaves"] is None
    assert got == computed(PAIRS) | {"leaves": None}


def test_a_tree_that_is_one_leaf():
    got = computed(PAIRS, p=1, truncate_mode="lastp")
    assert got["ivl"] == ["(4)"]
    assert (got["leaves"], got["leaves_color_list"], got["icoord"]) == ([6], [None], [])


def test_a_leaf_has_the_colour_of_its_own_link():
    # Six duplicates and one more: node 11, of height 0, stands at the place of leaf 2, and the link
    # above it is not that leaf's.
    pairs = [[0, 1, 0, 2], [2, 3, 0, 2], [4, 5, 0, 2]]
    Z = [*pairs, [8, 9, 0, 4], [7, 10, 0, 6], [11, 6, 9, 7]]
    got = computed(Z, color_threshold=1)
    assert got["icoord"][-1] == [25, 25, 65, 65]
    assert got["leaves"][2] == 2
    assert got["leaves_color_list"] == ["C1"] * 6 + ["C0"]


# ---- what SciPy cannot do


@pytest.mark.parametrize("options", [{}, {"count_sort": "descending"}, {"distance_sort": True}])
def test_a_long_chain(options):
    n = 100_000
    assert n > sys.getrecursionlimit()
    got = computed(chain(n), color_threshold=n / 2, **options)
    assert sorted(got["leaves"]) == list(range(n))
    assert [link[1] for link in got["dcoord"]] == list(range(1, n))
    assert len(got["color_list"]) == n - 1
    assert np.isfinite(got["icoord"]).all()


def test_a_long_chain_that_is_truncated():
    n = 100_000
    got = computed(chain(n), p=3, truncate_mode="lastp")
    assert got["ivl"] == [f"({n - 2})", str(n - 2), str(n - 1)]
    got = computed(chain(n), p=2, truncate_mode="level")
    assert got["ivl"] == [f"({n - 3})", *map(str, range(n - 3, n))]


# ---- palette


def test_palette():
    pairs = [[0, 1, 1, 2], [2, 3, 1, 2], [4, 5, 1, 2], [6, 7, 9, 4], [8, 9, 9, 6]]
    try:
        set_link_color_palette(["m", "k"])
        assert computed(pairs)["color_list"] == ["m", "k", "m", "C0", "C0"]
        set_link_color_palette(("r",))
        assert computed(pairs)["color_list"] == ["r", "r", "r", "C0", "C0"]
    finally:
        set_link_color_palette(None)
    assert computed(pairs)["color_list"] == ["C1", "C2", "C3", "C0", "C0"]


def test_palette_of_scipy():
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    Z = hierarchy.linkage(np.random.default_rng(0).normal(size=(50, 2)), "average")
    try:
        for module_set in (set_link_color_palette, hierarchy.set_link_color_palette):
            module_set(["c", "m", "y"])
        agrees(Z, color_threshold=0.4)
    finally:
        set_link_color_palette(None)
        hierarchy.set_link_color_palette(None)


@pytest.mark.parametrize(
    ("palette", "error"),
    [("rgb", TypeError), (["r", 1], TypeError), (3, TypeError), ([], ValueError)],
)
def test_bad_palettes(palette, error):
    with pytest.raises(error, match="palette: wanted"):
        set_link_color_palette(palette)


# ---- refusals


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"truncate_mode": "mlab"}, ValueError, "truncate_mode: wanted one of 'lastp'"),
        ({"truncate_mode": 3}, ValueError, "truncate_mode"),
        ({"orientation": "up"}, ValueError, "orientation: wanted one of 'top'"),
        ({"orientation": None}, ValueError, "orientation"),
        ({"count_sort": "descendent"}, ValueError, "count_sort: wanted one of 'ascending'"),
        ({"distance_sort": "up"}, ValueError, "distance_sort: wanted one of 'ascending'"),
        ({"p": "3"}, TypeError, "p: wanted a number, got '3'"),
        ({"p": np.inf}, ValueError, "p: wanted a finite number"),
        ({"color_threshold": "red"}, TypeError, "color_threshold: wanted a number"),
        ({"link_color_func": lambda k: k}, TypeError, "link_color_func: wanted a string .* got 4"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        computed(PAIRS, **options)


@pytest.mark.parametrize(
    "Z",
    [
        np.ones((3, 3)),
        np.ones(4),
        np.empty((0, 4)),
        [[0, 1, -1, 2], [2, 3, 1, 3]],
        [[0, 1, 1, 2], [0, 1, 2, 2]],
        [[0, 3, 1, 2], [1, 2, 2, 3]],
    ],
)
def test_what_is_no_tree_is_refused(Z):
    with pytest.raises(ValueError, match=r"Z|Linkage"):
        computed(Z)


# ---- drawing


@pytest.fixture
def axes():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    return lambda: Figure((4, 3)).add_subplot()


def pixels(ax):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


@pytest.mark.parametrize("orientation", ["top", "bottom", "left", "right"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"no_labels": True},
        {"leaf_font_size": 5, "leaf_rotation": 30},
        {"above_threshold_color": "k", "color_threshold": 2.0},
        {"truncate_mode": "lastp", "p": 4, "show_contracted": True},
    ],
    ids=repr,
)
def test_draws_what_scipy_draws(axes, orientation, options):
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    Z = hierarchy.linkage(np.random.default_rng(3).normal(size=(25, 2)), "average")
    ours, theirs = axes(), axes()
    got = dendrogram(Z, ax=ours, orientation=orientation, **options)
    hierarchy.dendrogram(Z, ax=theirs, orientation=orientation, **options)
    np.testing.assert_array_equal(pixels(ours), pixels(theirs))
    assert got == computed(Z, **options)


@pytest.mark.parametrize("n", [20, 21, 41, 60, 90])
def test_labels_shrink_and_turn(axes, n):
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    ours, theirs = axes(), axes()
    dendrogram(chain(n), ax=ours)
    hierarchy.dendrogram(chain(n), ax=theirs)
    for one, other in zip(ours.get_xticklabels(), theirs.get_xticklabels(), strict=True):
        assert one.get_text() == other.get_text()
        assert (one.get_size(), one.get_rotation()) == (other.get_size(), other.get_rotation())


def test_a_legend_has_an_entry_a_colour(axes):
    ax = axes()
    dendrogram([[0, 1, 1, 2], [2, 3, 1, 2], [4, 5, 9, 4]], ax=ax)
    assert len(ax.collections) == 3


def test_duplicates_have_a_picture(axes):
    ax = axes()
    dendrogram([[0, 1, 0, 2], [2, 3, 0, 3]], ax=ax)
    assert ax.get_ylim() == (0, 1)


def test_pyplot_without_axes():
    pytest.importorskip("matplotlib")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure()
    try:
        dendrogram(PAIRS)
        assert len(figure.axes) == 1
        assert len(figure.axes[0].collections) == 3
    finally:
        pyplot.close(figure)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'coterie\[plot\]'; no_plot=True"):
        dendrogram(PAIRS)
    assert computed(PAIRS)["ivl"] == list("0123")
