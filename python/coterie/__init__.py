"""Unsupervised learning on CPUs: a C++ core behind scikit-learn's conventions.

Examples
--------
>>> import numpy as np
>>> from coterie import KMeans
>>> X = np.array([[0.0, 0], [0, 1], [9, 9], [9, 8]])
>>> KMeans(n_clusters=2, random_state=0).fit(X).inertia_
1.0
"""

from __future__ import annotations

# The core comes first: on some platforms its thread-local storage only fits while little is loaded.
from coterie import _core  # isort: skip

import platform

import numpy as _np

from coterie._seeding import kmeans_plus_plus
from coterie.agglomerative import AgglomerativeClustering
from coterie.anomaly import GaussianAnomalyDetector
from coterie.bayesian_gmm import BayesianGaussianMixture
from coterie.bisecting import BisectingKMeans
from coterie.cosine_index import CosineIndex
from coterie.diana import Diana
from coterie.gmm import GaussianMixture
from coterie.kmeans import KMeans, kmeans_assign
from coterie.mlp import MLPClassifier, MLPRegressor
from coterie.neighbors import NearestNeighbors
from coterie.selection import select_n_components
from coterie.top_n import TopN, cosine_top_n, similarity

__all__ = [
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

__version__: str = _core.config()["version"]


def show_config() -> None:
    """Print how this copy was built and what it uses here: instruction set, threads, versions.

    Examples
    --------
    >>> show_config()  # doctest: +ELLIPSIS
    coterie ...
    """
    config = _core.config()
    lines = {
        "coterie": config["version"],
        "instruction set": config["isa"],
        "usable here": ", ".join(isa for isa in config["isas"] if isa != "odd"),  # odd: for tests
        "compiled in": ", ".join(config["compiled"]),
        "threads": config["threads"],
        "OpenMP": config["openmp"] or "none: runs on one thread",
        "compiler": config["compiler"],
        "Python": platform.python_version(),
        "NumPy": _np.__version__,
    }
    width = max(map(len, lines)) + 2
    for name, value in lines.items():
        print(f"{name:{width}}{value}")
