"""``coterie linkage``: files in; trees, pictures and clusters out."""

from xml.etree import ElementTree

import coterie.hierarchy
import numpy as np
import pytest
from command import linkage, linkage_report, rows_of

FAR = np.hypot(9, 6)  # from (0, 2) to (9, 8), the nearest rows of the two groups of TWO


def by_appearance(labels):
    seen = {}
    return [seen.setdefault(label, len(seen)) for label in np.ravel(labels).tolist()]


@pytest.fixture
def line(tmp_path):
    """Eight rows in a line, each as far from the next."""
    np.save(tmp_path / "line.npy", np.arange(8.0)[:, None])
    return tmp_path / "line.npy"


@pytest.fixture
def inverted(tmp_path):
    """A triangle whose third corner is nearer to the middle of the others than they are apart."""
    X = np.array([[0, 0], [1, 0], [0.5, 0.9], [9, 9], [9, 9.5]])
    np.save(tmp_path / "t.npy", X)
    return tmp_path / "t.npy"


# ---- the tree is the library's


def test_tree_of_four_rows(run, two, tmp_path):
    out, z = tmp_path / "o.csv", tmp_path / "z.npy"
    options = ("--method", "single", "--scale", "none", "--out", out, "--z", z)
    got = linkage_report(run, two, *options, "--cut", 2)
    Z = np.load(z)
    np.testing.assert_allclose(Z, [[0, 1, 1, 2], [2, 3, 1, 2], [4, 5, FAR, 4]], rtol=1e-12)
    assert [row["cluster"] for row in rows_of(out)] == ["0", "0", "1", "1"]
    assert got["merges"] == [
        {"n_clusters": k, "height": pytest.approx(h)} for k, h in [(2, FAR), (3, 1), (4, 1)]
    ]
    assert (got["highest_merge_done"], got["lowest_merge_undone"]) == (1, pytest.approx(FAR))
    assert [c["mean"] for c in got["clusters"]] == [{"x": 0, "y": 1.5}, {"x": 9, "y": 8.5}]
    assert [c["size"] for c in got["clusters"]] == [2, 2]


@pytest.mark.parametrize("scale", ["standard", "none", "minmax"])
@pytest.mark.parametrize(
    ("method", "metric"),
    [
        ("ward", "euclidean"),
        ("average", "cityblock"),
        ("single", "chebyshev"),
        ("median", "euclidean"),
    ],
)
def test_agrees_with_the_library(run, blobs, tmp_path, method, metric, scale):
    X, z, out = np.load(blobs), tmp_path / "z.npy", tmp_path / "l.npy"
    options = ("--method", method, "--metric", metric, "--scale", scale, "--z", z, "--out", out)
    got = linkage_report(run, blobs, *options, "--cut", 4)
    shift, divide = {
        "standard": (X.mean(0), X.std(0)),
        "none": (np.zeros(2), np.ones(2)),
        "minmax": (X.min(0), X.max(0) - X.min(0)),
    }[scale]
    scaled = (X - shift) / divide
    Z = coterie.hierarchy.linkage(scaled, method, metric)
    np.testing.assert_allclose(np.load(z), Z, rtol=1e-9)
    labels = by_appearance(coterie.hierarchy.cut_tree(Z, n_clusters=4))
    assert np.load(out).tolist() == labels
    assert np.load(out).dtype == np.int32
    assert (got["method"], got["metric"], got["n_clusters"]) == (method, metric, 4)
    c = coterie.hierarchy.cophenet(Z, coterie.hierarchy.pdist(scaled, metric))[0]
    assert got["cophenetic_correlation"] == pytest.approx(c, rel=1e-9)
    means = [X[np.array(labels) == k].mean(0) for k in range(4)]
    np.testing.assert_allclose([list(c["mean"].values()) for c in got["clusters"]], means)


@pytest.mark.parametrize("metric", ["cosine", "jaccard"])
def test_scaling_moves_the_zero(run, two, metric):
    options = ("--method", "average", "--metric", metric)
    for scale, moved in [("standard", True), ("none", False)]:
        got = linkage_report(run, two, *options, "--scale", scale)
        assert any(f"moves the zero from which {metric}" in n for n in got["notices"]) == moved


@pytest.mark.parametrize("distance", [0, 0.3, 1, 5, 1e9])
def test_a_distance_cuts_as_fcluster(run, blobs, tmp_path, distance):
    out = tmp_path / "l.npy"
    got = linkage_report(
        run, blobs, "--distance", distance, "--out", out, "--z", tmp_path / "z.npy"
    )
    Z = np.load(tmp_path / "z.npy")
    expected = coterie.hierarchy.fcluster(Z, distance, "distance")
    assert np.load(out).tolist() == by_appearance(expected)
    assert got["n_clusters"] == expected.max()
    below, above = got["highest_merge_done"], got["lowest_merge_undone"]
    assert below is None or below <= distance
    assert above is None or above > distance


def test_a_cut_is_exact_where_heights_are_equal(run, line):
    options = ("--method", "single", "--scale", "none")
    for k in range(1, 9):
        got = linkage_report(run, line, *options, "--cut", k)
        assert len(got["clusters"]) == got["n_clusters"] == k
        tied = any("several merges have the height of the cut, 1" in n for n in got["notices"])
        assert tied == (1 < k < 8)
    for distance, k in [(0.5, 8), (1, 1)]:
        assert linkage_report(run, line, *options, "--distance", distance)["n_clusters"] == k


def test_a_cut_is_exact_where_heights_fall(run, inverted):
    options = ("--method", "centroid", "--scale", "none")
    found = [linkage_report(run, inverted, *options, "--cut", k) for k in range(1, 6)]
    assert [got["n_clusters"] for got in found] == [1, 2, 3, 4, 5]
    assert any("heights may fall with centroid" in n for n in found[2]["notices"])
    heights = [m["height"] for m in found[0]["merges"]]
    assert sorted(heights, reverse=True) != heights


def test_threads_do_not_decide(run, blobs):
    one, two = (linkage_report(run, blobs, "--cut", 3, "--threads", n) for n in (1, 2))
    assert one == two


def test_options_reach_the_library(run, blobs, monkeypatch):
    seen = []
    whole = coterie.hierarchy.linkage

    def spy(X, *positional, **named):
        seen.append((X.dtype, positional, named))
        return whole(X, *positional, **named)

    monkeypatch.setattr(coterie.hierarchy, "linkage", spy)
    np.save(blobs, np.load(blobs).astype("f4"))
    linkage_report(run, blobs)
    linkage_report(run, blobs, "--method", "average", "--metric", "cosine", "--optimal-ordering")
    linkage_report(run, blobs, "--dtype", "float64", "--threads", 2)
    assert {dtype for dtype, _, _ in seen} == {np.dtype("f4")}
    assert [positional for _, positional, _ in seen] == [
        ("ward", "euclidean", False),
        ("average", "cosine", True),
        ("ward", "euclidean", False),
    ]
    none = {"n_threads": None, "dtype": None, "callback": None}
    assert [named for *_, named in seen] == [
        none,
        none,
        none | {"n_threads": 2, "dtype": "float64"},
    ]


def test_many_rows_are_not_compared(run, tmp_path, monkeypatch):
    monkeypatch.setattr("coterie.cli.linkage.MOST_COMPARED", 10)
    for n, compared in [(2, False), (10, True), (11, False)]:
        np.save(tmp_path / "x.npy", np.arange(n) ** 2.0)
        got = linkage_report(run, tmp_path / "x.npy")
        assert (got["cophenetic_correlation"] is not None) == compared


def test_duplicates(run, tmp_path):
    (tmp_path / "t.csv").write_text("x\n" + "7\n" * 5)
    got = linkage_report(run, tmp_path / "t.csv", "--cut", 2, "--dendrogram", tmp_path / "t.svg")
    assert got["n_clusters"] == 2
    assert got["cophenetic_correlation"] is None
    assert {m["height"] for m in got["merges"]} == {0}
    ElementTree.parse(tmp_path / "t.svg")


# ---- report


def test_summary(run, two, tmp_path):
    out = tmp_path / "out.csv"
    code, text, err = linkage(run, two, "--cut", 2, "--out", out, "--z", tmp_path / "z.npy")
    assert code == 0
    assert err == "coterie: note: left out: name (text) (--features chooses)\n"
    for part in (
        "two.csv: 4 rows, 2 features, scale standard",
        "height  of the merge that leaves k - 1 clusters",
        "<- the first not done",
        "ward linkage, euclidean distances (scaled features)",
        "cophenetic  0.9",
        "cut         2 clusters, highest merge done ",
        "lowest not done ",
        "mean of each feature, in original units:",
        "cluster  size  share",
        f"clusters written to {out}",
        f"linkage matrix written to {tmp_path / 'z.npy'}",
    ):
        assert part in text
    assert "scaled features" not in linkage(run, two, "--scale", "none")[1]
    assert "at distance 0.5, " in linkage(run, two, "--distance", 0.5)[1]


def test_a_tree_alone(run, two):
    code, text, _ = linkage(run, two)
    assert code == 0
    assert "cut  " not in text
    assert "mean of each" not in text
    got = linkage_report(run, two)
    assert (got["n_clusters"], got["clusters"], got["cut"], got["distance"]) == (
        None,
        [],
        None,
        None,
    )
    assert not {"seed", "n_init"} & set(got)
    assert got["command"] == "linkage"


@pytest.mark.parametrize(
    ("k", "first", "last"), [(1, 2, 10), (3, 2, 10), (40, 36, 45), (90, 86, 90)]
)
def test_the_merges_around_the_cut(run, blobs, tmp_path, k, first, last):
    got = linkage_report(run, blobs, "--cut", k, "--z", tmp_path / "z.npy")
    Z = np.load(tmp_path / "z.npy")
    assert [m["n_clusters"] for m in got["merges"]] == list(range(first, last + 1))
    assert [m["height"] for m in got["merges"]] == [Z[90 - j, 2] for j in range(first, last + 1)]
