"""The judges of the other tests see what they should."""

import numpy as np
import pytest
from bits import digest
from compare import assert_nearest
from tolerance import assert_within, product_bound

ROWS, CENTERS = np.array([[0.0], [1.0], [5.0]]), np.array([[0.0], [2.0], [5.0]])


def test_a_tie_may_go_either_way():
    assert_nearest(ROWS, CENTERS, [0, 0, 2], [0.0, 1, 0])
    assert_nearest(ROWS, CENTERS, [0, 1, 2])


@pytest.mark.parametrize("labels", [[1, 0, 2], [0, 0, 1], [0, 0, 3], [-1, 0, 2], [0, 0]])
def test_a_wrong_label_is_seen(labels):
    with pytest.raises(AssertionError):
        assert_nearest(ROWS, CENTERS, labels)


def test_a_wrong_distance_is_seen():
    with pytest.raises(AssertionError, match="off by"):
        assert_nearest(ROWS, CENTERS, [0, 0, 2], [0.0, np.nextafter(1, 2) + 1e-14, 0])


def test_a_wrong_product_is_seen():
    x, y = np.ones((3, 100), np.float32), np.ones((100, 2), np.float32)
    bound = product_bound(x, y, np.float32)
    assert (bound < 0.01).all(), "a missing term would pass"
    with pytest.raises(AssertionError, match="off by"):
        assert_within(np.full((3, 2), 99.0), np.full((3, 2), 100.0), bound)
    with pytest.raises(AssertionError):
        assert_within(np.full((3, 2), np.nan), np.full((3, 2), 100.0), bound)


def test_a_digest_sees_the_last_bit():
    a = np.arange(4.0)
    assert digest(a) == digest(a[::-1][::-1])
    others = (a + 0, np.nextafter(a, 9), a.astype(np.float32), a.reshape(2, 2), -a, a[:3])
    assert len({digest(other) for other in others}) == 6
