"""Pictures of trees: what SVG shows, and that its size is bounded."""

import io
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from coterie.hierarchy import dendrogram
from coterie.hierarchy._svg import MOST_LEAVES, PALETTE, Look, _ticks, node_groups, write_svg

SVG = "{http://www.w3.org/2000/svg}"


def chain(n):
    t = np.arange(n - 1.0)
    return np.stack([np.where(t == 0, 0, n + t - 1), t + 1, t + 1, t + 2], axis=1)


def drawn(Z, look=None):
    file = io.StringIO()
    write_svg(np.asarray(Z, float), file, look)
    return ElementTree.fromstring(file.getvalue())


def texts(svg):
    return [element.text or "" for element in svg.iter(SVG + "text")]


def strokes(svg):
    """Colour and number of links of every path that draws some."""
    paths = [path for path in svg.iter(SVG + "path") if path.get("stroke-width")]
    return {path.get("stroke"): path.get("d").count("M") for path in paths}


@pytest.mark.parametrize("n", [2, 3, 10, MOST_LEAVES])
def test_every_leaf_has_a_line_of_its_own(n):
    svg = drawn(chain(n), Look(labels=[f"row {i}" for i in range(n)]))
    labels = [t for t in svg.iter(SVG + "text") if (t.text or "").startswith("row")]
    places = sorted(float(t.get("y")) for t in labels)
    assert len(places) == n
    assert np.diff(places) == pytest.approx(18)
    assert sum(strokes(svg).values()) == n - 1
    assert f"{n} leaves" in texts(svg)
    assert 0 < places[0] < places[-1] < float(svg.get("height"))


@pytest.mark.parametrize("n", [MOST_LEAVES + 1, 10_000])
def test_a_large_tree_is_cut_off_and_says_so(n):
    svg = drawn(chain(n))
    assert sum(strokes(svg).values()) == MOST_LEAVES - 1
    assert float(svg.get("height")) < 2000
    assert f"({n - MOST_LEAVES + 1})" in texts(svg)
    assert any(t.startswith(f"the last 99 of {n - 1} merges of {n} leaves") for t in texts(svg))


def test_links_stand_where_the_dendrogram_has_them():
    Z = np.array([[0, 1, 1, 2], [2, 3, 2, 2], [4, 5, 8, 4]], float)
    (path,) = [p for p in drawn(Z).iter(SVG + "path") if p.get("stroke-width")]
    R = dendrogram(Z, no_plot=True, orientation="left")
    expected = "".join(
        f"M{656 - 80 * h[0]:.2f},{52 + 1.8 * i[0]:.2f}H{656 - 80 * h[1]:.2f}"
        f"V{52 + 1.8 * i[3]:.2f}H{656 - 80 * h[3]:.2f}"
        for i, h in zip(R["icoord"], R["dcoord"], strict=True)
    )
    assert path.get("d") == expected


def test_clusters_have_colours_and_a_legend():
    Z = np.array([[0, 1, 1, 2], [2, 3, 2, 2], [4, 5, 8, 4]], float)
    svg = drawn(Z, Look(clusters=np.array([0, 0, 1, 1]), cut=5.0))
    assert strokes(svg) == {PALETTE[0]: 1, PALETTE[1]: 1, "#777777": 1}
    assert {"cluster 0: 2", "cluster 1: 2"} <= set(texts(svg))
    (line,) = svg.iter(SVG + "line")
    assert float(line.get("x1")) == pytest.approx(656 - 640 * 5 / 8)
    many = drawn(chain(40), Look(clusters=np.arange(40), cut=1e9))
    assert not any(t.startswith("cluster") for t in texts(many))
    assert list(many.iter(SVG + "line")) == []


def test_nodes_belong_to_the_cluster_of_all_their_leaves():
    Z = np.array([[0, 1, 1, 2], [2, 3, 2, 2], [4, 5, 8, 4]], float)
    assert node_groups(Z, np.array([0, 0, 1, 2])) == [0, 0, 1, 2, 0, -1, -1]
    n = 50_000
    assert node_groups(chain(n), np.zeros(n, int)) == [0] * (2 * n - 1)


def test_labels_of_any_kind():
    hostile = ["<b>&amp;\"'", "two\nlines", "\x00\ud800", "x" * 99, "größe ☃", ""]
    svg = drawn(chain(6), Look(title="a<b\x1b", labels=hostile))
    found = texts(svg)
    assert {"<b>&amp;\"'", "two\ufffdlines", "\ufffd\ufffd", "größe ☃"} <= set(found)
    assert "x" * 37 + "..." in found
    assert found[0] == "a<b\ufffd"


@pytest.mark.parametrize("heights", [[0, 0], [1, np.inf], [np.inf, np.inf], [1e-300, 1e300]])
def test_heights_of_any_size(heights):
    svg = drawn([[0, 1, heights[0], 2], [2, 3, heights[1], 3]])
    text = ElementTree.tostring(svg, "unicode")
    assert "nan" not in text
    assert "inf" not in text


@pytest.mark.parametrize("top", [1e-300, 0.003, 0.7, 1.0, 3.0, 6.0, 59.9, 1e7, 1.7e308])
def test_ticks_are_round_and_few(top):
    ticks = _ticks(top)
    assert 3 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert ticks[-1] <= top * (1 + 1e-9)
    digits = ticks[1] / 10.0 ** math.floor(math.log10(ticks[1]) + 1e-9)
    assert any(digits == pytest.approx(d) for d in (1, 2, 5))
