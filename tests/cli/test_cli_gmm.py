"""``coterie gmm``: files in, components out, as the estimators have them."""

from functools import cache
from pathlib import Path

import coterie
import numpy as np
import pytest
from command import column, gmm, gmm_report, rows_of
from coterie.cli.demo import FEATURES

PENGUINS = Path(coterie.__file__).parent / "data" / "penguins.csv"
CHOSEN = ("--features", ",".join(FEATURES), "--missing", "drop")
KINDS = ["full", "tied", "diag", "spherical"]


@cache
def penguins():
    """The measurements and their standardised complete rows."""
    cells = [[row[name] for name in FEATURES] for row in rows_of(PENGUINS)]
    X = np.array([[float("nan" if v == "NA" else v) for v in row] for row in cells])
    kept = ~np.isnan(X).any(axis=1)
    return X, kept, (X[kept] - X[kept].mean(0)) / X[kept].std(0)


# ---- the model is the estimator's


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_the_estimator(run, kind):
    X, kept, Z = penguins()
    got = gmm_report(run, PENGUINS, *CHOSEN, "--covariance-type", kind, "--seed", 3, k=3)
    model = coterie.GaussianMixture(3, covariance_type=kind, random_state=3).fit(Z)
    assert (got["rows"], got["rows_used"], got["rows_dropped"]) == (344, 342, 2)
    assert (got["command"], got["n_components"], got["covariance_type"]) == ("gmm", 3, kind)
    assert (got["n_iter"], got["converged"]) == (model.n_iter_, model.converged_)
    assert got["log_likelihood_per_row"] == pytest.approx(model.score(Z), rel=1e-12)
    assert got["log_likelihood"] == pytest.approx(342 * model.score(Z), rel=1e-12)
    assert got["bic"] == pytest.approx(model.bic(Z), rel=1e-12)
    assert got["aic"] == pytest.approx(model.aic(Z), rel=1e-12)
    components = got["components"]
    np.testing.assert_allclose([c["weight"] for c in components], model.weights_, rtol=1e-10)
    assert [c["size"] for c in components] == np.bincount(model.predict(Z)).tolist()
    shift, divide = X[kept].mean(0), X[kept].std(0)
    means = [list(c["mean"].values()) for c in components]
    np.testing.assert_allclose(means, model.means_ * divide + shift, rtol=1e-10)
    variances = {
        "full": lambda c: np.stack([np.diag(one) for one in c]),
        "tied": lambda c: np.stack([np.diag(c)] * 3),
        "diag": lambda c: c,
        "spherical": lambda c: np.repeat(c[:, None], 4, axis=1),
    }[kind](model.covariances_)
    deviations = [list(c["std"].values()) for c in components]
    np.testing.assert_allclose(deviations, np.sqrt(variances) * divide, rtol=1e-8)


def test_every_column_agrees_with_the_estimators(run, tmp_path):
    _, kept, Z = penguins()
    out = tmp_path / "o.csv"
    got = gmm_report(
        run, PENGUINS, *CHOSEN, "--proba", "--anomalies", 0.03, "--n-init", 2, "--out", out, k=3
    )
    detector = coterie.GaussianAnomalyDetector(3, contamination=0.03, n_init=2, random_state=0).fit(
        Z
    )
    model = detector.mixture_
    before, after = rows_of(PENGUINS), rows_of(out)
    new = ["component", "p0", "p1", "p2", "log_density", "anomaly"]
    assert list(after[0]) == [*before[0], *new]
    assert [{name: row[name] for name in before[0]} for row in after] == before
    assert all(row[name] == "" for row in np.array(after)[~kept] for name in new)
    np.testing.assert_array_equal(column(out, "component")[kept], model.predict(Z))
    proba = np.stack([column(out, f"p{c}") for c in range(3)], axis=1)[kept]
    np.testing.assert_allclose(proba, model.predict_proba(Z), rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(column(out, "log_density")[kept], model.score_samples(Z), rtol=1e-12)
    anomaly = column(out, "anomaly")[kept]
    np.testing.assert_array_equal(anomaly, detector.predict(Z) == -1)
    assert got["anomalies"]["contamination"] == 0.03
    assert got["anomalies"]["threshold"] == pytest.approx(detector.offset_, rel=1e-12)
    assert got["anomalies"]["n_anomalies"] == anomaly.sum() == 11


@pytest.mark.parametrize("scale", ["standard", "none", "minmax"])
def test_scale_is_what_it_says_and_means_stay_original(run, tmp_path, scale):
    X = np.random.default_rng(0).normal(5, [1, 10, 1000], (200, 3))
    np.save(tmp_path / "x.npy", X)
    got = gmm_report(run, tmp_path / "x.npy", "--scale", scale, "--out", tmp_path / "l.npy", k=2)
    shift, divide = {
        "standard": (X.mean(0), X.std(0)),
        "none": (np.zeros(3), np.ones(3)),
        "minmax": (X.min(0), X.max(0) - X.min(0)),
    }[scale]
    model = coterie.GaussianMixture(2, random_state=0).fit((X - shift) / divide)
    np.testing.assert_array_equal(np.load(tmp_path / "l.npy"), model.predict((X - shift) / divide))
    assert got["log_likelihood_per_row"] == pytest.approx(
        model.score((X - shift) / divide), rel=1e-10
    )
    weights = [c["weight"] for c in got["components"]]
    means = np.array([list(c["mean"].values()) for c in got["components"]])
    np.testing.assert_allclose(weights @ means, X.mean(0), rtol=1e-9)


def test_one_component_has_the_moments_of_the_rows(run, blobs):
    X = np.load(blobs)
    for scale, divide in (("standard", X.std(0)), ("minmax", np.ptp(X, axis=0)), ("none", 1)):
        (only,) = gmm_report(run, blobs, "--scale", scale, k=1)["components"]
        assert (only["size"], only["weight"]) == (90, 1)
        np.testing.assert_allclose(list(only["mean"].values()), X.mean(0), rtol=1e-9)
        # What keeps covariances regular is added in the scale of the fit: 1e-6.
        std = np.sqrt(X.var(0) + 1e-6 * np.square(divide))
        np.testing.assert_allclose(list(only["std"].values()), std, rtol=1e-9)


def test_the_seed_decides_and_threads_do_not(run, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(2).normal(size=(500, 3)))
    for k in (5, "4:6"):
        results = [
            gmm_report(run, tmp_path / "x.npy", "--seed", seed, *threads, k=k)
            for seed, threads in [(1, ()), (1, ("--threads", 1)), (1, ("--threads", 2)), (2, ())]
        ]
        assert results[0] == results[1] == results[2]
        assert results[3]["log_likelihood"] != results[0]["log_likelihood"]


def test_more_starts_are_never_worse(run, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.random.default_rng(3).normal(size=(300, 2)))
    seen = []
    fit = coterie.GaussianMixture.fit
    monkeypatch.setattr(
        coterie.GaussianMixture, "fit", lambda self, X: (seen.append(self), fit(self, X))[1]
    )
    for n in (1, 10):
        gmm_report(run, tmp_path / "x.npy", "--n-init", n, k=6)
    assert [model.n_init for model in seen] == [1, 10]
    assert seen[0].lower_bound_ <= seen[1].lower_bound_


def test_float32_stays_float32(run, blobs, tmp_path):
    np.save(blobs, np.load(blobs).astype("f4"))
    out = tmp_path / "p.npy"
    for scale in ("standard", "none"):
        gmm_report(run, blobs, "--scale", scale, "--proba", "--out", out, k=3)
        assert np.load(out).dtype == np.float32
        np.testing.assert_allclose(np.load(out).sum(axis=1), 1, rtol=1e-6)


def test_rows_at_the_threshold_are_no_anomalies(run, tmp_path):
    (tmp_path / "t.csv").write_text("x\n" + "7\n" * 5)
    options = ("--anomalies", 0.5, "--out", tmp_path / "t.csv")
    assert gmm_report(run, tmp_path / "t.csv", *options, k=1)["anomalies"]["n_anomalies"] == 0
    assert column(tmp_path / "t.csv", "anomaly").tolist() == [0] * 5


# ---- a range


@pytest.mark.parametrize("criterion", ["bic", "aic"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_range_agrees_with_select_n_components(run, tmp_path, kind, criterion):
    _, kept, Z = penguins()
    out = tmp_path / "o.csv"
    options = ("--covariance-type", kind, "--criterion", criterion, "--out", out)
    got = gmm_report(run, PENGUINS, *CHOSEN, *options, k="1:4")
    table, best = coterie.select_n_components(
        Z, range(1, 5), criterion, covariance_type=kind, random_state=0
    )
    assert got["criterion"] == criterion
    assert [list(one) for one in got["sweep"]] == [list(table.dtype.names)] * 4
    for name in table.dtype.names:
        np.testing.assert_allclose([one[name] for one in got["sweep"]], table[name], rtol=1e-10)
    assert got["n_components"] == best.n_components == len(got["components"])
    assert got[criterion] == pytest.approx(table[criterion].min(), rel=1e-12)
    np.testing.assert_array_equal(column(out, "component")[kept], best.predict(Z))


def test_a_range_draws_a_curve(run, blobs):
    for criterion in ("bic", "aic"):
        code, out, err = gmm(run, blobs, "--criterion", criterion, k="1:6")
        assert (code, err) == (0, "")
        assert out.count("<- lowest") == 1
        lines = out.splitlines()
        start = next(i for i, line in enumerate(lines) if criterion.upper() in line)
        curve = [line.split() for line in lines[start + 1 : start + 7]]
        assert [words[0] for words in curve] == list("123456")
        figures = [float(words[1]) for words in curve]
        bars = [len(words[2]) for words in curve]
        assert (min(bars), max(bars)) == (1, 48)
        assert np.argmax(bars) == np.argmax(figures)
        (marked,) = [words for words in curve if "lowest" in words]
        assert float(marked[1]) == min(figures)
        assert f"{marked[0]} components, covariance full" in out


def test_a_range_of_two(run, blobs):
    got = gmm_report(run, blobs, k="2:3")
    assert [one["n_components"] for one in got["sweep"]] == [2, 3]
    assert got["n_components"] == 3


def test_what_has_not_converged_is_said(run, blobs):
    once = ("--max-iter", 1)
    got = gmm_report(run, blobs, *once)
    assert got["n_iter"] == 1
    assert not got["converged"]
    assert any(n.startswith("2 components: no run converged") for n in got["notices"])
    got = gmm_report(run, blobs, *once, k="2:4")
    assert any(n.startswith("2, 3, 4 components: not converged") for n in got["notices"])
    assert "not converged" in gmm(run, blobs, *once)[1]


@pytest.mark.parametrize("k", [3, "2:4"])
def test_tol_decides_when_it_has_converged(run, tmp_path, k):
    np.save(tmp_path / "x.npy", np.random.default_rng(5).normal(size=(400, 2)))
    loose, tight = (gmm_report(run, tmp_path / "x.npy", "--tol", t, k=k) for t in (1, 1e-5))
    assert loose["converged"]
    assert loose["n_iter"] < tight["n_iter"]


# ---- report


def test_summary(run, two, tmp_path):
    out = tmp_path / "out.csv"
    code, text, err = gmm(run, two, "--anomalies", 0.25, "--n-init", 3, "--out", out)
    assert code == 0
    assert err == "coterie: note: left out: name (text) (--features chooses)\n"
    for part in (
        "two.csv: 4 rows, 2 features, scale standard",
        "2 components, covariance full, seed 0, best of 3 starts",
        "log likelihood  ",
        " per row (scaled features)",
        "BIC  ",
        "AIC  ",
        "iterations  ",
        "converged",
        "anomalies  ",
        "the lowest 25% of the rows",
        "standard deviation of each feature, in original units:",
        "component  size  weight",
        f"components written to {out}",
    ):
        assert part in text
    assert "scaled features" not in gmm(run, two, "--scale", "none")[1]
    assert "anomalies" not in gmm(run, two)[1]
    assert sorted(row["component"] for row in rows_of(out)) == ["0", "0", "1", "1"]


def test_json_without_the_extras(run, two):
    got = gmm_report(run, two)
    assert (got["sweep"], got["anomalies"], got["out"]) == ([], None, None)
    assert got["left_out"] == [{"column": "name", "reason": "text"}]
    assert [s["feature"] for s in got["scaling"]] == ["x", "y"]
    assert got["notices"][0].startswith("left out")


def test_wide_and_many(run, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(120, 50)))
    code, out, _ = gmm(run, tmp_path / "x.npy", "--covariance-type", "diag", k=45)
    assert code == 0
    assert "not shown: 10 features of" in out
    assert "not shown: 5 smaller components" in out


def test_more_components_than_distinct_rows_is_a_notice(run, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "1,1\n" * 5 + "2,2\n" * 5)
    got = gmm_report(run, tmp_path / "t.csv", k=3)
    assert any(n.startswith("3 components: ") for n in got["notices"])
