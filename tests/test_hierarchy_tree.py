"""Checks, statistics, orders and objects of a linkage matrix; disjoint sets."""

import inspect
import re
import sys
import warnings

import numpy as np
import pytest
from coterie import _core
from coterie import hierarchy as ours
from reference import hierarchy as reference
from tolerance import EPS, assert_within
from trees import METHODS, chain, inverted, linked, random_tree

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

scipy = pytest.importorskip("scipy.cluster.hierarchy")
squareform = pytest.importorskip("scipy.spatial.distance").squareform
quietly = settings(max_examples=100, derandomize=True, deadline=None)
kinds = pytest.mark.parametrize("kind", ["real", "ties"])
methods = pytest.mark.parametrize("method", METHODS)
sizes = pytest.mark.parametrize("n", [2, 3, 9, 60])
GOOD = np.array([[0.0, 1, 1, 2], [2, 3, 2, 2], [4, 5, 3, 4]])


@pytest.mark.parametrize("name", sorted(set(ours.__all__) & set(scipy.__all__)))
def test_arguments_are_scipys(name):
    mine, theirs = (
        [(p.name, p.default) for p in inspect.signature(getattr(m, name)).parameters.values()
         if p.kind is not p.KEYWORD_ONLY]
        for m in (ours, scipy)
    )  # fmt: skip
    assert mine == theirs


# --- statistics and orders


@kinds
@methods
@sizes
def test_statistics_equal_scipys(n, method, kind):
    Z, y = linked(n, method, kind)
    np.testing.assert_array_equal(ours.leaves_list(Z), scipy.leaves_list(Z))
    assert ours.leaves_list(Z).dtype == np.int32
    np.testing.assert_array_equal(ours.maxdists(Z), scipy.maxdists(Z))
    np.testing.assert_array_equal(ours.cophenet(Z), scipy.cophenet(Z))
    if len({*y}) > 1 and len({*ours.cophenet(Z)}) > 1:
        c, d = ours.cophenet(Z, y)
        np.testing.assert_array_equal(d, scipy.cophenet(Z))
        assert_within(c, scipy.cophenet(Z, y)[0], 20 * n * n * EPS)
        assert isinstance(c, np.float64)
    assert ours.is_monotonic(Z) == scipy.is_monotonic(Z)
    assert ours.num_obs_linkage(Z) == n
    np.testing.assert_array_equal(ours.to_mlab_linkage(Z), scipy.to_mlab_linkage(Z))
    np.testing.assert_array_equal(ours.from_mlab_linkage(ours.to_mlab_linkage(Z)), Z)


@kinds
@methods
@sizes
@pytest.mark.parametrize("depth", [0, 1, 2, 3, 7, 1000, 2.0])
def test_inconsistency(depth, n, method, kind):
    Z, _ = linked(n, method, kind)
    R = ours.inconsistent(Z, depth)
    # A mean and a deviation from it take a rounding for each of at most n heights.
    bound = 4 * n * EPS * Z[:, 2].max()
    expected = reference.inconsistent(Z, int(depth))
    np.testing.assert_array_equal(R[:, 2], expected[:, 2])
    assert_within(R[:, :2], expected[:, :2], bound)
    clear = expected[:, 1] > 1e-3 * Z[:, 2].max()
    assert_within(R[clear, 3], expected[clear, 3], 1e3 * 2 * (n + 2) * bound / Z[:, 2].max())
    np.testing.assert_array_equal(R[:, 2], scipy.inconsistent(Z, int(depth))[:, 2])
    for i in range(4):
        np.testing.assert_array_equal(ours.maxRstat(Z, R, i), scipy.maxRstat(Z, R, i))
    np.testing.assert_array_equal(ours.maxinconsts(Z, R), scipy.maxinconsts(Z, R))


def test_equal_heights_are_not_inconsistent():
    Z = chain(50)
    Z[:, 2] = 0.1  # three of them do not add up to 0.3
    for depth in (2, 3, 50):
        R = ours.inconsistent(Z, depth)
        np.testing.assert_array_equal(R[:, 0], 0.1)
        np.testing.assert_array_equal(R[:, [1, 3]], 0)
    Z[:, 2] = 1e8 + np.arange(49) % 2  # a sum of squares would lose the difference
    R = ours.inconsistent(Z, 2)
    np.testing.assert_array_equal(R[1:, 1], np.sqrt(0.5))


@pytest.mark.parametrize("at", [[0], [-1], [-2, -1], [3, 6], slice(None)])
@pytest.mark.parametrize("depth", [1, 2, 3, 20])
def test_inconsistency_of_infinite_heights_is_scipys(at, depth):
    for Z in (chain(12), random_tree(12), linked(12, "average", "real")[0]):
        Z[at, 2] = np.inf
        np.testing.assert_allclose(
            ours.inconsistent(Z, depth), scipy.inconsistent(Z, depth), rtol=1e-12, atol=1e-12
        )


@quietly
@given(st.integers(2, 30), st.integers(0, 10**6))
def test_trees_at_random(n, seed):
    Z = inverted(n, seed)
    np.testing.assert_array_equal(ours.cophenet(Z), squareform(reference.cophenet(Z)))
    np.testing.assert_array_equal(ours.leaves_list(Z), reference.members(Z)[-1])
    highest = [max(Z[s, 2] for s in reference.below(Z, t)) for t in range(n - 1)]
    np.testing.assert_array_equal(ours.maxdists(Z), highest)
    np.testing.assert_array_equal(ours.inconsistent(Z)[:, 2], scipy.inconsistent(Z)[:, 2])


def test_correlation_of_constant_distances_is_nan():
    c, d = ours.cophenet(GOOD, np.ones(6))
    assert np.isnan(c)
    np.testing.assert_array_equal(d, scipy.cophenet(GOOD))


def test_same_bits_for_any_number_of_threads():
    Z = random_tree(3000)
    one = ours.cophenet(Z, n_threads=1)
    np.testing.assert_array_equal(ours.cophenet(Z, n_threads=5), one)
    cutoffs = np.linspace(0, 3000, 40)
    tables = [np.empty((len(Z), 4)) for _ in range(3)]
    labels = [np.empty((40, 3000), dtype=np.int64) for _ in range(3)]
    for n_threads, R, cuts in zip((1, 2, 5), tables, labels, strict=True):
        _core.tree_inconsistency(Z, 4, R, n_threads)
        _core.tree_cut(Z, Z[:, 2].copy(), cutoffs, cuts, n_threads)
        np.testing.assert_array_equal(R, tables[0])
        np.testing.assert_array_equal(cuts, labels[0])


def test_what_is_converted_is_as_in_scipy():
    for Z in (GOOD.astype(np.float32), GOOD.astype(int), GOOD.astype(int).tolist()):
        for name in ("cophenet", "inconsistent", "maxdists", "to_mlab_linkage"):
            result = getattr(ours, name)(Z)
            np.testing.assert_array_equal(result, getattr(ours, name)(GOOD))
        for name in ("leaves_list", "to_tree", "num_obs_linkage", "is_monotonic", "cut_tree"):
            for module in (ours, scipy):
                with pytest.raises(TypeError):
                    getattr(module, name)(Z)
    for Z in (GOOD.tolist(), np.asfortranarray(GOOD), np.repeat(GOOD, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(ours.leaves_list(Z), scipy.leaves_list(GOOD))
        np.testing.assert_array_equal(ours.cut_tree(Z), scipy.cut_tree(GOOD))


# --- checks


def spoiled(row, column, value):
    Z = GOOD.copy()
    Z[row, column] = value
    return Z


@pytest.mark.parametrize(
    ("Z", "error", "message", "scipys"),
    [
        (GOOD.astype(int), TypeError, "dtype int64", False),
        (GOOD.astype(np.float32), TypeError, "dtype float32", False),
        (GOOD[0], ValueError, "4 columns", False),
        (GOOD[:, :3], ValueError, "4 columns", False),
        (GOOD[:0], ValueError, "two observations", False),
        (spoiled(1, 0, -2), ValueError, "not negative, got -2 in row 1", False),
        (spoiled(1, 2, -2), ValueError, "none negative or NaN, got -2 in row 1", False),
        (spoiled(1, 3, -2), ValueError, "counts that are not negative", False),
        (
            spoiled(1, 3, 5),
            ValueError,
            "no excessive observations in a cluster, at most 4, got 5",
            False,
        ),
        (spoiled(1, 1, 5), ValueError, "formed before they are joined, got 5 in row 1", False),
        (spoiled(1, 1, 2), ValueError, "joined once, got cluster 2 2 times", False),
        (spoiled(1, 1, 99), ValueError, "formed before they are joined, got 99", False),
        (spoiled(1, 1, 2.5), ValueError, "whole, got 2.5 in row 1", True),
        (spoiled(1, 1, np.nan), ValueError, "whole, got nan in row 1", True),
        (spoiled(1, 2, np.nan), ValueError, "got nan in row 1", True),
        (np.array([[0.0, 2, 1, 2]]), ValueError, "got 2 in row 0", True),
    ],
)
def test_invalid_linkage(Z, error, message, scipys):
    assert scipy.is_valid_linkage(Z) == scipys  # where ours knows more
    assert ours.is_valid_linkage(Z) is False
    with pytest.raises(error, match=f"^links: wanted .*{message}"):
        ours.is_valid_linkage(Z, throw=True, name="links")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not ours.is_valid_linkage(Z, warning=True)
    assert any(re.search(message, str(warning.message)) for warning in caught)  # one for each fault
    for function in (ours.leaves_list, ours.to_tree, ours.cut_tree, ours.num_obs_linkage):
        with pytest.raises(error, match=f"^Z: wanted .*{message}"):
            function(Z)


@pytest.mark.parametrize(
    "Z", [GOOD, GOOD[:1], [[0.0, 1, -1, 9]], chain(50), random_tree(50), spoiled(2, 2, np.inf)]
)
def test_valid_linkage(Z):
    assert ours.is_valid_linkage(Z, throw=True) is True
    assert ours.is_valid_linkage(np.array(Z).tolist())
    assert scipy.is_valid_linkage(np.array(Z))


@pytest.mark.parametrize(
    ("R", "error", "message"),
    [
        (np.ones((3, 4), int), TypeError, "dtype int64"),
        (np.ones(4), ValueError, "4 columns"),
        (np.ones((3, 3)), ValueError, "4 columns"),
        (np.ones((0, 4)), ValueError, "at least one row"),
        ([[1.0, 1, 1, 1], [-1, 1, 1, 1]], ValueError, "mean heights >= 0 .* -1 in row 1"),
        ([[1.0, -1, 1, 1]], ValueError, "standard deviations"),
        ([[1.0, 1, -1, 1]], ValueError, "numbers of links"),
    ],
)
def test_invalid_inconsistency(R, error, message):
    assert ours.is_valid_im(R) is scipy.is_valid_im(R) is False
    with pytest.raises(error, match=f"^R: .*{message}"):
        ours.is_valid_im(R, throw=True)
    with pytest.warns(ours.ClusterWarning, match=message):
        assert not ours.is_valid_im(R, warning=True)
    assert ours.is_valid_im(ours.inconsistent(GOOD), throw=True)


def test_statistics_refuse():
    R = ours.inconsistent(GOOD)
    with pytest.raises(ValueError, match="R: wanted as many rows as Z, 1"):
        ours.maxinconsts(GOOD[:1], R)
    with pytest.raises(TypeError, match="i: wanted an integer"):
        ours.maxRstat(GOOD, R, 2.5)
    for i in (-1, 4):
        with pytest.raises(ValueError, match="between 0 and 3"):
            ours.maxRstat(GOOD, R, i)
    for d in (-1, 1.5):
        with pytest.raises(ValueError, match="d: wanted an integer >= 0"):
            ours.inconsistent(GOOD, d)
    for Y, message in (([1.0, 2], "for some n"), (np.ones(10), "6 distances, got 10")):
        with pytest.raises(ValueError, match=f"Y: wanted .*{message}"):
            ours.cophenet(GOOD, Y)


def test_correspond():
    assert ours.correspond(GOOD, np.ones(6)) is True
    assert ours.correspond(GOOD, np.ones(10)) is False
    for Y in (np.ones(4), [], np.ones((3, 3))):
        with pytest.raises(ValueError, match="Y: wanted"):
            ours.correspond(GOOD, Y)


@quietly
@given(st.lists(st.integers(0, 4), max_size=12), st.permutations(range(5)), st.booleans())
def test_isomorphic(labels, renaming, joined):
    renamed = [renaming[label] for label in labels]
    if joined:
        renamed = [min(label, 3) for label in renamed]
    pairs = {*zip(labels, renamed, strict=True)}
    expected = len({*labels}) == len({*renamed}) == len(pairs)
    assert ours.is_isomorphic(labels, renamed) is expected
    assert ours.is_isomorphic(renamed, labels) is expected


def test_isomorphic_refuses():
    assert ours.is_isomorphic(["a", "b"], [2, 1])
    for T1, T2 in (([[1]], [1]), ([1], [[1]]), ([1, 2], [1])):
        with pytest.raises(ValueError, match=r"T[12]: wanted"):
            ours.is_isomorphic(T1, T2)


# --- MATLAB's format


def test_mlab():
    for empty in ([], np.empty((0, 3))):
        assert ours.from_mlab_linkage(empty).size == 0
    assert ours.to_mlab_linkage([]).size == 0
    for Z, message in (
        ([1.0, 2, 3], "3 columns"),
        (GOOD, "3 columns"),
        ([[0.0, 1, 1], [2, 3, 2]], "numbered 1 to 4, got 0 to 3"),
        ([[1.0, 1, 1], [3, 4, 2]], "joined once"),
    ):
        with pytest.raises(ValueError, match=f"Z: wanted .*{message}"):
            ours.from_mlab_linkage(Z)


# --- trees as objects


@kinds
@methods
@sizes
def test_to_tree_equals_scipys(n, method, kind):
    Z, _ = linked(n, method, kind)
    root, nodes = ours.to_tree(Z, rd=True)
    _, theirs = scipy.to_tree(Z, rd=True)
    assert ours.to_tree(Z).pre_order() == root.pre_order() == theirs[-1].pre_order()
    assert root is nodes[-1]
    for node, their in zip(nodes, theirs, strict=True):
        assert (node.id, node.dist, node.count) == (their.id, their.dist, their.count)
        assert (node.get_id(), node.get_count()) == (their.id, their.count)
        assert node.is_leaf() == their.is_leaf()
        if not node.is_leaf():
            assert (node.get_left().id, node.get_right().id) == (their.left.id, their.right.id)


def test_to_tree_wants_true_sizes():
    with pytest.raises(ValueError, match="4 in row 2, got 3"):
        ours.to_tree(spoiled(2, 3, 3))


def test_nodes():
    low, high = ours.ClusterNode(0, dist=1.0), ours.ClusterNode(1, dist=2.0, count=3)
    assert low < high > low
    assert low == ours.ClusterNode(5, dist=1.0)
    assert low != high
    both = ours.ClusterNode(2, low, high, 2.5)
    assert both.count == 4
    assert both.pre_order(lambda leaf: leaf.count) == [1, 3]
    for compare in ("__lt__", "__gt__", "__eq__"):
        with pytest.raises(ValueError, match="node: wanted a ClusterNode"):
            getattr(low, compare)(1)
    for arguments in (
        (-1,),
        (0, None, None, -1.0),
        (0, None, None, 0.0, 0),
        (0, low),
        (0, None, low),
    ):
        with pytest.raises(ValueError, match="wanted"):
            ours.ClusterNode(*arguments)


def test_a_long_chain_does_not_recurse():
    n, depth = 100_000, sys.getrecursionlimit()
    Z = chain(n)
    root = ours.to_tree(Z)
    assert root.pre_order() == ours.leaves_list(Z).tolist()
    assert root.count == n
    del root
    assert ours.inconsistent(Z, 3)[2:, 2].tolist() == [3.0] * (n - 3)
    np.testing.assert_array_equal(ours.maxdists(Z), Z[:, 2])
    assert sys.getrecursionlimit() == depth


def test_too_much_memory_is_refused_before_any_is_taken():
    n = 1_000_000
    low, heights = np.arange(0, 2 * n - 2, 2), np.arange(n - 1)
    Z = np.column_stack([low, low + 1, heights, np.full(n - 1, 2)]).astype(float)
    for function in (ours.cophenet, ours.cut_tree):
        with pytest.raises(MemoryError, match=r"Z: wanted .* bytes of memory"):
            function(Z)


# --- disjoint sets


@quietly
@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_disjoint_sets_equal_scipys(n, merges):
    names = [f"element {i}" for i in range(n)]
    mine, theirs = ours.DisjointSet(names), scipy.DisjointSet(names)
    for a, b in merges:
        x, y = names[a % n], names[b % n]
        assert mine.connected(x, y) == theirs.connected(x, y)
        assert mine.merge(x, y) == theirs.merge(x, y)
        assert mine.n_subsets == theirs.n_subsets
    for x in names:
        assert mine[x] == theirs[x]
        assert mine.subset(x) == theirs.subset(x)
        assert mine.subset_size(x) == theirs.subset_size(x)
    assert mine.subsets() == theirs.subsets()
    assert [*mine] == names
    assert len(mine) == n


def test_disjoint_sets_grow():
    sets = ours.DisjointSet()
    assert sets.n_subsets == len(sets) == 0
    for element in ("a", (1, 2), "a", 3.5, 10**20, int("1" + "0" * 20)):
        sets.add(element)
    assert [*sets] == ["a", (1, 2), 3.5, 10**20]
    assert "a" in sets
    assert "b" not in sets
    assert sets.merge("a", int("1" + "0" * 20))
    assert sets.subset(10**20) == {"a", 10**20}
    for call in (sets.subset, sets.subset_size, sets.__getitem__, lambda x: sets.merge("a", x)):
        with pytest.raises(KeyError):
            call("missing")
    for i in range(20_000):
        sets.add(i)
        sets.merge(i, max(i - 1, 0))
    assert sets.subset_size(0) == 20_000
