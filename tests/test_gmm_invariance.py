"""What must not change a mixture's kernels: threads, layout, translation, scale; and refusals."""

import os

import child
import numpy as np
import pytest
from coterie import _core
from mixtures import KINDS, Model, expect, fit, gather, model, rows, score, start
from reference import gmm as reference
from tolerance import (
    EPS,
    assert_within,
    logit_bound,
    m_step_bounds,
    responsibility_bound,
)

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def flat(*results):
    """All numbers of some results, in one line."""
    parts = [np.empty(0)]
    for result in results:
        if isinstance(result, (tuple, list)):
            parts.append(flat(*result))
        elif not isinstance(result, str):
            parts.append(np.ravel(result))
    return np.concatenate(parts)


# --- the same bits


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("shape", [(20_000, 5, 8), (3000, 40, 6)], ids=str)
def test_threads(shape, kind, dtype):
    n, d, k = shape
    X, m = rows(n, d, dtype), model(k, d, kind)
    w = np.random.default_rng(1).uniform(size=n)
    labels = np.random.default_rng(2).integers(-1, k, n).astype(np.int32)
    shares = score(X, m)[1]

    def outcomes(n_threads):
        groups = np.zeros(n, np.uint16)
        passes = [expect(X, w, m, groups, n_threads) for _ in range(2)]
        given = [gather(X, w, kind, g, m.means, n_threads) for g in (labels, shares)]
        given.append(gather(X, None, kind, None, m.means[:1], n_threads))
        starts = [start(X, w, kind, k, g, 1e-6, n_threads) for g in (labels, shares)]
        fits = [fit(X, weights, m, 3, n_threads=n_threads) for weights in (None, w)]
        return flat(passes, given, starts, fits, groups, score(X, m, n_threads))

    one = outcomes(1)
    assert np.isfinite(one).all()
    for n_threads in (2, 3, 8):
        np.testing.assert_array_equal(outcomes(n_threads), one)


LAYOUTS = {
    "part of a row": lambda X: np.hstack([X, np.full((len(X), 5), np.nan, X.dtype)])[
        :, : X.shape[1]
    ],
    "far rows": lambda X: np.repeat(X, 3, axis=0)[::3],
    "end of a page": lambda X: np.r_[np.full(3, np.nan, X.dtype), X.ravel()][3:].reshape(X.shape),
}


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("d", [1, 3, 17, 33])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, d, kind, dtype):
    X, m, w = rows(700, d, dtype), model(3, d, kind), np.arange(700) % 3.0
    given = LAYOUTS[layout](X)
    given.flags.writeable = False
    for other, plain in (
        (expect(given, w, m), expect(X, w, m)),
        (fit(given, w, m, 2), fit(X, w, m, 2)),
        (score(given, m), score(X, m)),
    ):
        np.testing.assert_array_equal(flat(other), flat(plain))


# --- moved and scaled data


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("d", [1, 4, 17])
def test_translation(d, kind, dtype):
    """Rows and means on a grid, so that the shift is exact; new means are rounded far out."""
    far = 1e3 if dtype == np.float32 else 1e6
    X = np.round(64 * rows(300, d)) / 64
    m = model(3, d, kind)
    m.means[:] = np.round(64 * m.means) / 64
    moved, there = (X + far).astype(dtype), Model(kind, m.weights, m.means + far, m.factors)
    np.testing.assert_array_equal(moved.astype(np.float64) - far, X)
    density, r = reference.expect(m.log_joint(X))
    found, shift = score(moved, there), there.means.mean(axis=0)
    logit = logit_bound(X + far, there.means, m.triangles, m.constants, shift, dtype)
    assert_within(found[1], r, responsibility_bound(r, logit, dtype))
    assert_within(found[0], density, (r * logit).sum(axis=1) + 4 * EPS * np.abs(density))
    w, shift = np.ones(300), (X + far).mean(axis=0)
    logit = logit_bound(X + far, there.means, m.triangles, m.constants, shift, dtype)
    off = responsibility_bound(r, logit, dtype)
    found = fit(moved, None, there, reg_covar=0.1)
    bound, weights, means, covariances = reference.step(X, w, *m[1:], kind, 0.1)
    bounds = m_step_bounds(X + far, w, r, off, there.means, means + far, shift, kind, dtype)
    assert_within(found.model.weights, weights, bounds[0])
    assert_within(found.model.means, means + far, bounds[1])
    assert_within(found.covariances, covariances, bounds[2] + (d + 4) * EPS * np.abs(covariances))
    assert_within(found.lower_bounds, [bound], (r * logit).sum(axis=1).mean() + 300 * EPS * d)


@EVERY_KIND
@pytest.mark.parametrize(
    ("dtype", "power"), [(np.float32, -40), (np.float32, 40), (np.float64, -400), (np.float64, 400)]
)
def test_scaling_by_powers_of_two(power, dtype, kind):
    X, m, factor = rows(300, 7, dtype), model(4, 7, kind), 2.0**power
    scaled = Model(kind, m.weights, m.means * factor, m.factors / factor)
    exact, shift = X.astype(np.float64), X.mean(axis=0, dtype=np.float64)
    density, r = reference.expect(m.log_joint(X))
    far, near = score(X * dtype(factor), scaled), score(X, m)
    change = 7 * power * np.log(2)
    constants = m.constants - change
    logit = logit_bound(exact, m.means, m.triangles, constants, m.means.mean(axis=0), dtype)
    off = responsibility_bound(r, logit, dtype)
    assert_within(far[1], near[1], off)
    assert_within(far[0] + change, near[0], (r * logit).sum(axis=1) + 4 * EPS * np.abs(density))
    here, there = fit(X, None, m, 1), fit(X * dtype(factor), None, scaled, 1)
    means = here.model.means
    bounds = m_step_bounds(exact, np.ones(300), r, off, m.means, means, shift, kind, dtype)
    assert (there.regularised, there.reseeded) == ([], [])
    assert_within(there.model.weights, here.model.weights, bounds[0])
    assert_within(there.model.means / factor, here.model.means, bounds[1])
    assert_within(there.covariances / factor**2, here.covariances, bounds[2])


# --- far from each other


@EVERY_KIND
@pytest.mark.parametrize(
    ("dtype", "apart"), [(np.float32, 1e2), (np.float32, 1e4), (np.float64, 1e5), (np.float64, 1e7)]
)
def test_variances_within_components_that_are_far_apart(apart, dtype, kind):
    """The square of the distance must not drown them: differences are formed before products."""
    d, at = 3, np.repeat([0.0, apart], 200)[:, None]
    X = (np.round(64 * rows(400, d)) / 64 + at).astype(dtype)
    means = np.array([[0.0] * d, [apart] * d])
    shape = {"full": (2, d, d), "tied": (d, d), "diag": (2, d), "spherical": (2,)}[kind]
    factors = np.ones(shape) * (np.eye(d) if kind in ("full", "tied") else 1)
    m = Model(kind, np.full(2, 0.5), means, factors)
    found = fit(X, None, m, 1)
    exact = X.astype(np.float64) - at  # about the component's own mean, on a grid: exact
    r = np.repeat(np.eye(2), 200, axis=0)
    first = reference.maximise(exact[:200], np.ones(200), np.ones((200, 1)), kind)[2]
    second = reference.maximise(exact[200:], np.ones(200), np.ones((200, 1)), kind)[2]
    wanted = (first + second) / 2 if kind == "tied" else np.concatenate([first, second])
    assert (found.regularised, found.reseeded) == ([], [])
    # As for components that are near each other, but for the rounding of rows less the shift.
    spread = np.abs(exact).max() + apart * np.finfo(dtype).eps
    bound = 2 * (len(X) + 8) * np.finfo(dtype).eps * spread**2
    assert_within(found.covariances, wanted, bound + 4 * apart * np.finfo(dtype).eps * spread)
    np.testing.assert_array_equal(score(X, found.model)[1], r)


# --- refusals


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 32), (70, 16), (299, 0), (299, 32)])
def test_values_that_are_not_finite(row, column, bad, kind, dtype):
    X, m = rows(300, 33, dtype), model(9, 33, kind, spread=20)
    X[row, column] = bad
    name = "NaN" if np.isnan(bad) else "inf"
    message = rf"X: wanted finite values, got {name} at row {row}, column {column} \(1 in all\)"
    for call in (lambda: score(X, m), lambda: expect(X, None, m, shift=np.zeros(33))):
        with pytest.raises(ValueError, match=message):
            call()


@EVERY_KIND
@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 1e30), (np.float64, 1e200)])
def test_rows_without_a_finite_density(dtype, large, kind):
    X, m = rows(90, 5, dtype), model(3, 5, kind)
    X[77, 2] = large
    with pytest.raises(ValueError, match=r"X: wanted values whose squared .* row 77"):
        score(X, m)


X = rows(6, 3)
M = model(2, 3, "full")
SHIFT = np.zeros(3)
READ_ONLY = np.empty(6)
READ_ONLY.flags.writeable = False


def raw_score(X=X, kind="full", weights=M.weights, means=M.means, factors=M.factors, **out):
    outputs = (out.get(name) for name in ("log_density", "responsibilities", "labels"))
    constants, n_threads = out.get("constants"), out.get("n_threads", 1)
    _core.gmm_score(X, kind, weights, means, factors, constants, *outputs, n_threads)


def raw_expect(groups):
    _core.gmm_expect(X, None, SHIFT, "full", M.means, M.factors, M.constants, groups, 1)


def raw_gather(given=None, w=None, shift=SHIFT, X=X, n_threads=1):
    _core.gmm_gather(X, w, shift, "full", given, M.means, n_threads)


REFUSED = {
    "integers": (lambda: raw_score(X.astype(int)), TypeError, "X: wanted a float32 or float64"),
    "a list": (lambda: raw_score(X.tolist()), TypeError, "X: wanted a float32 or float64"),
    "1-D": (lambda: raw_score(X[0]), ValueError, "X: wanted a 2-D array, got 1-D"),
    "columns apart": (lambda: raw_score(np.asfortranarray(X)), ValueError, "unit column stride"),
    "features": (lambda: raw_score(X[:, :2].copy()), ValueError, "means: wanted length 2, got"),
    "kind": (lambda: raw_score(kind="ball"), ValueError, "covariance_type: .* got 'ball'"),
    "few factors": (lambda: raw_score(factors=M.factors[0]), ValueError, "factors: .* 18, got"),
    "few weights": (lambda: raw_score(weights=M.weights[:1]), ValueError, "weights: .* 2, got"),
    "few constants": (
        lambda: raw_score(constants=np.zeros(3)),
        ValueError,
        "constants: wanted length 2",
    ),
    "threads": (lambda: raw_score(n_threads=0), ValueError, "n_threads: wanted a number >= 1"),
    "densities in float32": (
        lambda: raw_score(log_density=np.empty(6, np.float32)),
        TypeError,
        "log_density",
    ),
    "shares of another dtype": (
        lambda: raw_score(responsibilities=np.empty((6, 2), np.float32)),
        TypeError,
        "responsibilities",
    ),
    "shares of another shape": (
        lambda: raw_score(responsibilities=np.empty((6, 3))),
        ValueError,
        "responsibilities: wanted length 2, got length 3",
    ),
    "shares apart": (
        lambda: raw_score(responsibilities=np.empty((6, 4))[:, :2]),
        ValueError,
        "responsibilities: wanted C-contiguous data",
    ),
    "wide labels": (lambda: raw_score(labels=np.empty(6, np.int64)), TypeError, "labels"),
    "few labels": (lambda: raw_score(labels=np.empty(5, np.int32)), ValueError, "labels: .* 6"),
    "read-only": (lambda: raw_score(log_density=READ_ONLY), ValueError, "a writeable array"),
    "labels beyond": (
        lambda: raw_gather(np.array([0, 1, 0, 2, 0, 1], np.int32)),
        ValueError,
        "labels: wanted labels below the number of components, got 2",
    ),
    "given labels are wide": (
        lambda: raw_gather(np.zeros(6, int)),
        TypeError,
        "given: wanted int32",
    ),
    "given shares are narrow": (
        lambda: raw_gather(np.ones((6, 2), np.float32)),
        TypeError,
        "given: wanted int32 labels, or the dtype of X",
    ),
    "given shares": (
        lambda: raw_gather(np.ones((6, 3))),
        ValueError,
        "responsibilities: .* 2, got",
    ),
    "given shares are apart": (
        lambda: raw_gather(np.ones((6, 4))[:, ::2]),
        ValueError,
        "responsibilities: wanted unit column stride",
    ),
    "weights of rows": (lambda: raw_gather(w=np.ones(5)), ValueError, "sample_weight: .* 6, got"),
    "dtype of weights": (
        lambda: raw_gather(w=np.ones(6, np.float32)),
        TypeError,
        "sample_weight: wanted a float64",
    ),
    "shift": (lambda: raw_gather(shift=np.zeros(2)), ValueError, "shift: wanted length 3, got"),
    "groups beyond": (
        lambda: raw_expect(np.full(6, 2, np.uint16)),
        ValueError,
        "groups: wanted components below n_components, got 2",
    ),
    "few groups": (lambda: raw_expect(np.zeros(5, np.uint16)), ValueError, "groups: .* 6, got"),
    "no component": (
        lambda: _core.gmm_start(X, None, SHIFT, SHIFT, "full", 0, None, 0.0, 1),
        ValueError,
        "n_components: wanted a number >= 1, got 0",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()


EMPTY = {
    "rows to score": "_core.gmm_score(X[:0], 'full', w, m, f, None, np.empty(0), None, None, 1)",
    "components": "_core.gmm_score(X, 'full', w[:0], m[:0], f[:0], None, o, None, None, 1)",
    "features": "_core.gmm_score(X[:, :0], 'tied', w, m[:, :0], o[:0], None, o, None, None, 1)",
    "rows to expect": "_core.gmm_expect(X[:0], None, o, 'full', m, f, w, np.empty(0, 'H'), 1)",
    "rows to gather": "_core.gmm_gather(X[:0], None, o, 'full', None, m, 1)",
    "centers": "_core.gmm_gather(X, None, o, 'full', None, m[:0], 1)",
    "rows to fit": "_core.gmm_fit(X[:0], None, o, o, 'full', w, m, f, 0.0, 1, 0.0, 0.0, 1, None)",
    "rows to start": "_core.gmm_start(X[:0], None, o, o, 'full', 2, None, 0.0, 1)",
}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a crash must not take the suite along")
def test_nothing_at_all_is_refused_or_yields_nothing():
    code = f"""
import os, warnings, numpy as np
from coterie import _core
warnings.simplefilter("ignore")
X, w, m, o = np.ones((3, 3)), np.full(2, 0.5), np.zeros((2, 3)), np.zeros(3)
f = np.array([np.eye(3)] * 2)
for name, call in {EMPTY!r}.items():
    if (pid := os.fork()) == 0:
        try:
            eval(call)
        except ValueError:
            pass
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        print(name, status)
"""
    assert child.run(code) == ""
