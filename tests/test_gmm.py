"""The kernels of Gaussian mixtures against NumPy: one E-step, one M-step, scores; on every ISA."""

import numpy as np
import pytest
from mixtures import KINDS, expect, fit, gather, model, rows, score, start
from reference import gmm as reference
from shapes import around
from tolerance import (
    EPS,
    assert_within,
    likely_bound,
    logit_bound,
    m_step_bounds,
    responsibility_bound,
    sums_bound,
)

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)

# (n, d, k): each size against moderate others; then several blocks, several shards, corners.
SHAPES = [
    *((n, 5, 3) for n in [*around(1, 3, 4, 8, 16, 32, 64, 128), 700]),
    *((70, d, 3) for d in (1, 2, 3, 4, 8, 17, 33)),
    *((70, 5, k) for k in (1, 2, 4, 5, 9)),
    (700, 33, 3),
    (70, 33, 9),
    (300, 130, 2),
    (2500, 3, 4),
    (65, 1, 1),
    (1, 33, 9),
]


def cases(X, m, dtype, shift):
    """The reference's logits, log densities and responsibilities, and bounds on them."""
    exact = X.astype(np.float64)
    joint = m.log_joint(exact)
    log_density, r = reference.expect(joint)
    logit = logit_bound(exact, m.means, m.triangles, m.constants, shift, dtype)
    off = responsibility_bound(r, logit, dtype)
    density = (r * logit).sum(axis=1) + 4 * np.finfo(dtype).eps + 4 * EPS * np.abs(log_density)
    return exact, joint, log_density, r, logit, off, density


def some_weights(n):
    """Squares, so that their roots are exact; some are zero."""
    w = np.random.default_rng(n).choice([0.0, 0.25, 1, 4], n)
    w[0] = 4
    return w


def weights_or_none(shape):
    """None for every other shape."""
    return some_weights(shape[0]) if sum(shape) % 2 else None


def assert_shares(r):
    """Rows of responsibilities sum to 1: one rounding each, k in the sum they are divided by."""
    bound = (2 * r.shape[1] + 8) * np.finfo(r.dtype).eps
    assert_within(r.sum(axis=1, dtype=np.float64), np.ones(len(r)), bound)


# --- scores


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scores_equal_the_reference(shape, kind, dtype):
    n, d, k = shape
    X, m = rows(n, d, dtype), model(k, d, kind)
    _, joint, log_density, r, logit, off, density = cases(X, m, dtype, m.means.mean(axis=0))
    ours, responsibilities, labels = score(X, m)
    assert_within(ours, log_density, density)
    assert_within(responsibilities, r, off)
    assert_shares(responsibilities)
    row = np.arange(n)
    assert ((labels >= 0) & (labels < k)).all()
    assert (joint[row, labels] + logit[row, labels] >= (joint - logit).max(axis=1)).all()
    constants = m.constants - 2  # as the variational mixtures give them
    assert_within(score(X, m, constants=constants)[0], log_density - 2, density)


@DTYPES
@EVERY_KIND
def test_a_row_alone_equals_itself_in_a_batch(kind, dtype):
    X, m = rows(300, 7, dtype), model(6, 7, kind)
    together = score(X, m)
    for i in (0, 1, 77, 299):
        for alone, every in zip(score(X[i : i + 1], m), together, strict=True):
            np.testing.assert_array_equal(alone[0], every[i])


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("copies", [(0, 3), (1, 2), (2, 5, 7), tuple(range(8))])
def test_ties_go_to_the_lowest_component(copies, kind, dtype):
    m = model(8, 5, kind, spread=9)
    for name, array in (("weights", m.weights), ("means", m.means), ("factors", m.factors)):
        if name != "factors" or kind != "tied":
            array[list(copies)] = array[copies[0]]
    X = (m.means[copies[0]] + 0.1 * rows(70, 5)).astype(dtype)
    _, r, labels = score(X, m)
    np.testing.assert_array_equal(labels, copies[0])
    for c in copies:
        np.testing.assert_array_equal(r[:, c], r[:, copies[0]])


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("far", [1e2, 1e4, 1e9, 1e15])
def test_outliers(far, kind, dtype):
    """The largest term is set aside, so no exponential overflows and their sum is never zero."""
    X, m = rows(90, 5, dtype), model(4, 5, kind)
    X[::3] = dtype(far) * np.sign(X[::3])
    _, _, log_density, r, _, off, density = cases(X, m, dtype, m.means.mean(axis=0))
    ours, responsibilities, _ = score(X, m)
    assert_within(ours, log_density, density)
    assert_within(responsibilities, r, off)
    assert_shares(responsibilities)


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("tiny", [1e-30, 1e-300])
def test_components_of_hardly_any_weight(tiny, kind, dtype):
    X, m = rows(90, 5, dtype), model(4, 5, kind)
    m.weights[2] = tiny
    X[0] = m.means[2]
    _, _, log_density, r, _, off, density = cases(X, m, dtype, m.means.mean(axis=0))
    ours, responsibilities, labels = score(X, m)
    assert_within(ours, log_density, density)
    assert_within(responsibilities, r, off)
    assert not (labels == 2).any()


def test_a_component_of_no_weight_has_no_rows():
    X, m = rows(90, 5), model(4, 5, "full")
    m.weights[0] = 0.0
    _, r, labels = score(X, m)
    np.testing.assert_array_equal(r[:, 0], 0)
    assert labels.min() == 1


# --- sums


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_equal_the_reference(shape, kind, dtype):
    """Whatever order the guess at components gives the rows; the guess ends at the likeliest."""
    n, d, k = shape
    X, m, w = rows(n, d, dtype), model(k, d, kind), weights_or_none(shape)
    guess = np.random.default_rng(0).integers(0, k, n).astype(np.uint16)
    found, weights = expect(X, w, m, guess), np.ones(n) if w is None else w
    shift = X.mean(axis=0, dtype=np.float64)
    exact, joint, log_density, r, logit, off, density = cases(X, m, dtype, shift)
    bounds = sums_bound(exact, weights, r, off, m.means, shift, dtype)
    rho, z = weights[:, None] * r, exact[:, None] - found.centers
    assert_within(found.n, rho.sum(axis=0), bounds[0])
    assert_within(found.s1, np.einsum("nc,ncf->cf", rho, z), bounds[1])
    if kind == "full":
        second = np.einsum("nc,nci,ncj->cij", rho, z, z, optimize=True)
        assert_within(found.s2, second, bounds[2])
    elif kind != "tied":
        second = np.einsum("nc,ncf->cf", rho, z**2)
        assert_within(found.s2, second, np.einsum("cii->ci", bounds[2]))
    total = weights @ density + n * EPS * (weights @ np.abs(log_density))
    assert_within(found.log_likelihood, weights @ log_density, total)
    logs = 1 + np.abs(np.log(r))
    entropy = weights @ ((2 * off + 8 * np.finfo(dtype).eps * r) * logs).sum(axis=1)
    assert_within(found.entropy, -(weights @ (r * np.log(r)).sum(axis=1)), entropy)
    row = np.arange(n)
    assert (joint[row, guess] + logit[row, guess] >= (joint - logit).max(axis=1)).all()


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_of_integers_are_exact(shape, kind, dtype):
    n, d, k = shape
    X = np.random.default_rng(0).integers(-4, 5, (n, d)).astype(dtype)
    centers = np.random.default_rng(1).integers(-2, 3, (k, d)).astype(np.float64)
    shift, w = np.full(d, 3.0), some_weights(n)
    labels = np.random.default_rng(2).integers(-1, k, n).astype(np.int32)
    shares = (labels[:, None] == np.arange(k)).astype(dtype)
    for given in (labels, shares):
        found = gather(X, w, kind, given, centers, shift=shift)
        rho, z = w[:, None] * shares, X[:, None] - found.centers
        np.testing.assert_array_equal(found.centers, centers if kind != "tied" else 0 * centers + 3)
        np.testing.assert_array_equal(found.n, rho.sum(axis=0))
        np.testing.assert_array_equal(found.s1, np.einsum("nc,ncf->cf", rho, z))
        if kind == "full":
            np.testing.assert_array_equal(found.s2, np.einsum("nc,nci,ncj->cij", rho, z, z))
        elif kind != "tied":
            np.testing.assert_array_equal(found.s2, np.einsum("nc,ncf->cf", rho, z**2))
    alone = gather(X, w, kind, None, centers[:1], shift=shift)  # all rows are the first's
    assert alone.n[0] == w.sum()


# --- iterations


def assert_m_step(found, wanted, bounds):
    for ours, theirs, bound in zip(
        (found.model.weights, found.model.means, found.covariances), wanted, bounds, strict=True
    ):
        rounded = (found.model.means.shape[1] + 4) * EPS * np.abs(theirs)  # adding reg_covar
        assert_within(ours, theirs, bound + rounded)
    assert (found.regularised, found.reseeded) == ([], [])
    assert_factors(found)


def assert_factors(found):
    """T S T^T = 1, as far as a factor and its inverse in float64 can."""
    m, S = found.model, found.covariances
    if m.kind in ("diag", "spherical"):
        return assert_within(m.factors, 1 / np.sqrt(S), 4 * EPS / np.sqrt(S))
    d = m.means.shape[1]
    turned = m.factors.swapaxes(-1, -2)
    error = (4 * d + 8) * EPS * (np.abs(m.factors) @ np.abs(S) @ np.abs(turned))
    np.testing.assert_array_equal(np.triu(m.factors, 1), 0)
    np.testing.assert_array_equal(S, S.swapaxes(-1, -2))
    assert_within(m.factors @ S @ turned, np.broadcast_to(np.eye(d), S.shape), error)
    return None


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_iteration_equals_the_reference(shape, kind, dtype):
    """Each from the parameters the one before has left, so that errors do not pile up."""
    n, d, k = shape
    X, m, w = rows(n, d, dtype), model(k, d, kind), weights_or_none(shape)
    weights = np.ones(n) if w is None else w
    shift = np.average(X.astype(np.float64), axis=0, weights=w)
    for _ in range(1 if n * d * k > 10_000 else 3):
        found = fit(X, w, m, reg_covar=0.1)
        exact, _, log_density, r, _, off, density = cases(X, m, dtype, shift)
        bound, *wanted = reference.step(exact, weights, *m[1:], kind, 0.1)
        means = wanted[1]
        bounds = m_step_bounds(exact, weights, r, off, m.means, means, shift, kind, dtype)
        assert_m_step(found, wanted, bounds)
        share = weights / weights.sum()
        assert_within(
            found.lower_bounds, [bound], share @ density + n * EPS * (share @ np.abs(log_density))
        )
        m = found.model


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("shape", [(70, 5, 3), (700, 33, 4), (2500, 3, 4), (300, 130, 2)], ids=str)
def test_precision_is_that_of_the_dtype(shape, kind, dtype):
    """The bounds of the worst case leave float32 much room; roundings as they fall do not."""
    n, d, k = shape
    X, m = rows(n, d, dtype), model(k, d, kind)
    log_density, r = reference.expect(m.log_joint(X))
    wanted = reference.maximise(X.astype(np.float64), np.ones(n), r, kind, 0.1)
    found = fit(X, None, m, reg_covar=0.1)
    near = likely_bound(d + 8, log_density, dtype)
    assert_within(score(X, m)[0], log_density, near)
    assert_within(score(X, m)[1], r, near)
    near = likely_bound(min(n, 512) + d, 1, dtype)
    assert_within(found.model.weights, wanted[0], near)
    assert_within(found.model.means, wanted[1], near)
    assert_within(found.covariances, wanted[2], near * np.abs(wanted[2]).max())


@DTYPES
@EVERY_KIND
@pytest.mark.parametrize("shape", [(70, 5, 3), (700, 17, 5), (2500, 3, 4), (9, 1, 1)], ids=str)
def test_a_start_equals_the_reference(shape, kind, dtype):
    n, d, k = shape
    X, w = rows(n, d, dtype), some_weights(n)
    rng, exact, shift = (
        np.random.default_rng(3),
        X.astype(np.float64),
        np.average(X.astype(np.float64), 0, w),
    )
    labels = rng.integers(-1, k, n).astype(np.int32)
    labels[np.flatnonzero(w)[:k]] = np.arange(k)
    shares = rng.uniform(size=(n, k)).astype(dtype)
    shares /= shares.sum(axis=1, keepdims=True)
    for given in (labels, shares):
        r = shares if given is shares else labels[:, None] == np.arange(k)
        r = r.astype(np.float64)
        found = start(X, w, kind, k, given, reg_covar=0.1)
        _, means, covariances = reference.maximise(exact, w, r, kind, 0.1)
        if kind == "tied":  # about the mean of all rows, each of which has a share
            z, n_c = exact - shift, (w[:, None] * r).sum(axis=0)
            scatter = (w[:, None] * z).T @ z - (n_c * (means - shift).T) @ (means - shift)
            covariances = scatter / w.sum() + 0.1 * np.eye(d)
        wanted = (w[:, None] * r).sum(axis=0) / w.sum(), means, covariances
        # Centres of the second pass are the means that the first has found.
        bounds = m_step_bounds(exact, w, r, 0 * r, means, means, shift, kind, dtype)
        if kind == "tied":
            bounds = (*bounds[:2], bounds[2] * (w[:, None] * r).sum() / w.sum())
        assert_m_step(found, wanted, bounds)


@EVERY_KIND
def test_progress_is_told_and_may_stop(kind):
    X, m, told = rows(90, 3), model(3, 3, kind), []
    plain = fit(X, None, m, max_iter=6)
    heard = fit(X, None, m, max_iter=6, callback=lambda *said: told.append(said))
    np.testing.assert_array_equal(heard.lower_bounds, plain.lower_bounds)
    assert [i for i, _, _ in told] == list(range(6))
    np.testing.assert_array_equal([bound for _, bound, _ in told], plain.lower_bounds)
    changes = np.diff(plain.lower_bounds, prepend=-np.inf)
    np.testing.assert_array_equal([change for _, _, change in told], changes)
    stopped = fit(X, None, m, max_iter=6, callback=lambda i, *_: i == 1)
    np.testing.assert_array_equal(stopped.lower_bounds, plain.lower_bounds[:2])
    assert not stopped.converged
    ended = fit(X, None, m, max_iter=50, tol=1e-2, before=plain.lower_bounds[0] + 5e-3)
    assert ended.converged
    assert len(ended.lower_bounds) == 1


@DTYPES
@EVERY_KIND
def test_an_iteration_never_lowers_the_bound(kind, dtype):
    X, m = rows(500, 4, dtype), model(5, 4, kind)
    found = fit(X, None, m, max_iter=40)
    # The rounding of a log density and of a mean of them, which is all that may lower it.
    error = 2 * (4 * 4 + 512) * np.finfo(dtype).eps * np.abs(found.lower_bounds).max()
    assert len(found.lower_bounds) == 40
    assert (np.diff(found.lower_bounds) >= -error).all()
