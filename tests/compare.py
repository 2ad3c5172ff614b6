"""Judging an assignment where two centres may be equally near."""

import numpy as np
from reference.kmeans import sq_distances
from tolerance import assert_within, distance_bound


def assert_nearest(X, centers, labels, distances=None):
    """Every label names a nearest centre, rounding of the judge apart; `distances` are to it."""
    every = sq_distances(X, centers)
    labels = np.asarray(labels)
    assert labels.shape == (len(every),)
    assert ((labels >= 0) & (labels < every.shape[1])).all(), "a label is no index of a centre"
    chosen, least = every[np.arange(len(every)), labels], every.min(axis=1)
    bound = distance_bound(chosen, np.shape(X)[1], np.float64)
    assert (chosen - least <= bound).all(), "a row has a nearer centre"
    if distances is not None:
        assert_within(distances, chosen, bound)
