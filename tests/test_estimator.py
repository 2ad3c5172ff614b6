"""The estimator conventions: parameters, cloning, pickling, names, containers, scikit-learn."""

import doctest
import importlib
import inspect
import pickle
import subprocess
import sys
import warnings

import coterie
import numpy as np
import pytest
from coterie import KMeans
from coterie._estimator import ConvergenceWarning, NotFittedError

X = np.array([[0.0, 0], [0, 2], [2, 0], [9, 9], [9, 7], [7, 9]])
CENTERS = np.array([[0.0, 0.0], [9.0, 9.0]])


def fitted(**options):
    return KMeans(2, init=CENTERS, **options).fit(X)


def run(code):
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_check_estimator():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    # The two that scikit-learn declares for its own KMeans: a random start sees weights otherwise
    # than repeated rows.
    kinds = ("dense", "sparse")
    reason = "sample_weight is not equivalent to removing/repeating samples."
    expected = {f"check_sample_weight_equivalence_on_{kind}_data": reason for kind in kinds}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn about bases and provoke our warnings
        results = checks.check_estimator(
            KMeans(), expected_failed_checks=expected, on_fail=None, on_skip=None
        )
    assert len(results) > 40
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []


def test_signature_is_a_superset_of_sklearns():
    theirs = inspect.signature(pytest.importorskip("sklearn.cluster").KMeans).parameters
    ours = inspect.signature(KMeans).parameters
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default, name
        assert ours[name].kind == parameter.kind, name
    assert [name for name in ours if name not in theirs] == [
        "empty_cluster",
        "n_threads",
        "callback",
    ]


def test_params_are_stored_untouched():
    init = [[0, 1]]
    model = KMeans("many", init=init, tol=None)
    assert model.get_params()["init"] is init
    assert list(model.get_params(deep=False)) == list(inspect.signature(KMeans).parameters)
    assert model.set_params(n_clusters=1, tol=0) is model
    assert (model.n_clusters, model.tol) == (1, 0)
    with pytest.raises(ValueError, match=r"Invalid parameter 'k' .* Valid .*'n_clusters', 'init'"):
        model.set_params(n_clusters=5, k=3)
    assert model.n_clusters == 1, "a refused call changed a parameter"


def test_a_subclass_has_its_own_params():
    class Mine(KMeans):
        def __init__(self, n_clusters=3, *, extra="x"):
            super().__init__(n_clusters)
            self.extra = extra

    assert Mine(extra=1).get_params() == {"n_clusters": 3, "extra": 1}
    assert repr(Mine(extra=1)) == "Mine(extra=1)"


def test_repr_shows_what_was_changed():
    assert repr(KMeans()) == "KMeans()"
    assert repr(KMeans(3, tol=1e-4, init="random")) == "KMeans(n_clusters=3, init='random')"
    many = KMeans(50, init=np.zeros((50, 2)))
    assert repr(many) == "KMeans(n_clusters=50, init=<float64 array of shape (50, 2)>)"


@pytest.mark.parametrize("method", ["predict", "transform", "score"])
def test_not_fitted(method):
    with pytest.raises(NotFittedError, match="This KMeans instance is not fitted yet"):
        getattr(KMeans(), method)(X)
    for name in ("cluster_centers_", "labels_", "n_features_in_", "counts_", "inertia_"):
        assert not hasattr(KMeans(), name)
    with pytest.raises(NotFittedError):
        KMeans().get_feature_names_out()


def test_not_fitted_is_also_sklearns_and_pickles():
    exceptions = pytest.importorskip("sklearn.exceptions")
    with pytest.raises(exceptions.NotFittedError) as caught:
        KMeans().predict(X)
    back = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(back, (NotFittedError, exceptions.NotFittedError))
    assert isinstance(back, NotFittedError)
    assert back.args == caught.value.args
    code = f"import pickle, sys; e = pickle.loads({pickle.dumps(caught.value)!r});"
    assert (
        run(code + "print(type(e).__name__, 'sklearn' in sys.modules)") == "NotFittedError False\n"
    )


def test_convergence_warning_is_also_sklearns():
    exceptions = pytest.importorskip("sklearn.exceptions")
    with pytest.warns(exceptions.ConvergenceWarning, match="distinct clusters") as caught:
        KMeans(2, init=[[0, 0], [0, 0]]).fit(np.zeros((3, 2)))
    assert issubclass(caught[0].category, ConvergenceWarning)
    assert caught[0].filename == __file__, "the warning must point at the caller's line"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    model = fitted()
    back = pickle.loads(pickle.dumps(model, protocol))
    np.testing.assert_array_equal(back.predict(X), model.labels_)
    np.testing.assert_array_equal(back.history_, model.history_)
    np.testing.assert_array_equal(back.counts_, model.counts_)
    assert repr(pickle.loads(pickle.dumps(KMeans(3), protocol))) == "KMeans(n_clusters=3)"


def test_clone():
    base = pytest.importorskip("sklearn.base")
    model = fitted(tol=0.5).set_output(transform="pandas")
    copy = base.clone(model)
    assert repr(copy.get_params()) == repr(model.get_params())
    assert not hasattr(copy, "labels_")
    assert copy._sklearn_output_config == {"transform": "pandas"}
    assert base.is_clusterer(model)


def test_features_are_checked():
    with pytest.raises(
        ValueError, match="X has 3 features, but KMeans is expecting 2 features as input"
    ):
        fitted().predict(np.ones((2, 3)))


def test_feature_names():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = KMeans(2, init=CENTERS).fit(frame)
    assert model.feature_names_in_.dtype == object
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        model.predict(frame[["b", "a"]])
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- c\n.*now missing:\n- b\n"):
        model.predict(frame.rename(columns={"b": "c"}))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but KMeans was"):
        model.predict(X)
    with pytest.warns(UserWarning, match="X has feature names, but KMeans was fitted without"):
        fitted().predict(frame)
    with pytest.raises(TypeError, match="Feature names are only supported if all input features"):
        model.fit(pd.DataFrame(X, columns=["a", 1]))
    assert not hasattr(model.fit(pd.DataFrame(X)), "feature_names_in_")
    pairs = pd.DataFrame(X, columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))
    assert not hasattr(model.fit(pairs), "feature_names_in_")


def test_names_out():
    model = fitted()
    assert list(model.get_feature_names_out()) == ["kmeans0", "kmeans1"]
    assert list(model.get_feature_names_out(["x", "y"])) == ["kmeans0", "kmeans1"]
    with pytest.raises(ValueError, match=r"should have length equal .* \(2\), got 1"):
        model.get_feature_names_out(["x"])
    model.feature_names_in_ = np.array(["a", "b"], dtype=object)
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        model.get_feature_names_out(["x", "y"])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(library):
    frames = pytest.importorskip(library)
    plain = fitted().transform(X)
    model = fitted().set_output(transform=library)
    for out in (model.transform(X), model.fit_transform(X)):
        assert isinstance(out, frames.DataFrame)
        assert list(out.columns) == ["kmeans0", "kmeans1"]
        np.testing.assert_array_equal(out.to_numpy(), plain)
    assert model.set_output() is model
    assert isinstance(model.transform(X), frames.DataFrame)
    assert type(model.set_output(transform="default").transform(X)) is np.ndarray
    with pytest.raises(ValueError, match="transform: wanted one of 'default', 'pandas', 'polars'"):
        model.set_output(transform="list")


def test_set_output_keeps_the_index():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b"], index=list("uvwxyz"))
    model = KMeans(2, init=CENTERS).set_output(transform="pandas").fit(frame)
    assert list(model.transform(frame).index) == list("uvwxyz")


def test_global_output_setting():
    sklearn = pytest.importorskip("sklearn")
    pd = pytest.importorskip("pandas")
    model = fitted()
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(model.transform(X), pd.DataFrame)
    assert type(model.transform(X)) is np.ndarray


def test_pipeline():
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    pd = pytest.importorskip("pandas")
    pipe = pipeline.make_pipeline(preprocessing.StandardScaler(), KMeans(2, random_state=0))
    labels = pipe.fit_predict(X, kmeans__sample_weight=np.ones(len(X)))
    assert set(labels) == {0, 1}
    np.testing.assert_array_equal(pipe.predict(X), labels)
    assert pipe.score(X) == -pipe[-1].inertia_
    assert isinstance(pipe.set_output(transform="pandas").fit_transform(X), pd.DataFrame)
    assert list(pipe.get_feature_names_out()) == ["kmeans0", "kmeans1"]
    assert "KMeans(n_clusters=2" in repr(pipe)


def test_grid_search():
    search = pytest.importorskip("sklearn.model_selection")
    grid = search.GridSearchCV(KMeans(random_state=0), {"n_clusters": [1, 2]}, cv=2)
    shuffled = X[[0, 3, 1, 4, 2, 5]]
    assert grid.fit(shuffled).best_params_ == {"n_clusters": 2}


def test_import_is_light_and_leaves_no_trace():
    code = (
        "import sys, numpy, locale; before = set(sys.modules);"
        "state = numpy.random.get_state()[1].tobytes();"
        "import coterie;"
        "assert numpy.random.get_state()[1].tobytes() == state;"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new & {'sklearn', 'scipy', 'pandas', 'polars', 'pyarrow', 'inspect'}))"
    )
    assert run(code) == "[]\n"


def test_works_without_sklearn():
    code = (
        "import sys; sys.modules['sklearn'] = sys.modules['scipy'] = None;"
        "from coterie import KMeans; m = KMeans(1).fit([[0.0], [2.0]]);"
        "print(m.predict([[5.0]]), m.transform([[5.0]]), m.cluster_centers_)"
    )
    assert run(code) == "[0] [[4.]] [[1.]]\n"


def test_show_config(capsys):
    coterie.show_config()
    printed = capsys.readouterr().out
    assert printed.startswith("coterie")
    for word in (coterie.__version__, "instruction set", "threads", "OpenMP", np.__version__):
        assert word in printed


def test_public_names():
    assert sorted(coterie.__all__) == [
        "AgglomerativeClustering",
        "BayesianGaussianMixture",
        "BisectingKMeans",
        "CosineIndex",
        "Diana",
        "GaussianAnomalyDetector",
        "GaussianMixture",
        "KMeans",
        "MLPClassifier",
        "MLPRegressor",
        "NearestNeighbors",
        "TopN",
        "__version__",
        "cosine_top_n",
        "kmeans_assign",
        "kmeans_plus_plus",
        "select_n_components",
        "show_config",
        "similarity",
    ]
    for name in set(coterie.__all__) - {"__version__"}:
        assert getattr(coterie, name).__doc__


@pytest.mark.parametrize(
    "module",
    [
        "coterie",
        "coterie._assign",
        "coterie._seeding",
        "coterie._special",
        "coterie.agglomerative",
        "coterie.anomaly",
        "coterie.bayesian_gmm",
        "coterie.bisecting",
        "coterie.cosine_index",
        "coterie.diana",
        "coterie.gmm",
        "coterie.kmeans",
        "coterie.neighbors",
        "coterie.selection",
        "coterie.top_n",
    ],
)
def test_examples_in_docstrings(module):
    failed, tried = doctest.testmod(importlib.import_module(module), verbose=False)
    assert failed == 0
    assert tried > 0
