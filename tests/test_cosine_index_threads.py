"""CosineIndex in many threads: searches while items are added, adding while others add."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from coterie import CosineIndex
from rankings import assert_same, real

Q, X = real(30, 20, np.float32, 1), real(400, 20, np.float32, 2)


def test_many_threads_may_search():
    index, wrong, barrier = CosineIndex(X, n_threads=2), [], threading.Barrier(8)
    alone = index.search(Q, 7)

    def work():
        barrier.wait()
        wrong.extend(
            1 for _ in range(10) if not np.array_equal(index.search(Q, 7).indices, alone.indices)
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_searches_go_on_while_items_are_added():
    items, queries = real(4000, 32, np.float32), real(3, 32, np.float32, 1)
    sizes = range(1000, 4001, 250)
    answers = [CosineIndex(items[:size]).search(queries, 5) for size in sizes]
    index, done = CosineIndex(items[:1000]), threading.Event()

    def searches():
        found = []
        while not (done.is_set() and found):
            found.append(index.search(queries, 5))
        return found

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(searches) for _ in range(2)]
        for first, last in pairwise(sizes):
            index.add(items[first:last])
        done.set()
        for found in [result for reader in readers for result in reader.result()]:
            assert any(np.array_equal(found.scores, right.scores) for right in answers)
    assert_same(index.search(queries, 5), answers[-1])


def test_masks_fit_the_items_of_their_search():
    index, done = CosineIndex(X[:50]), threading.Event()

    def searches():
        while not done.is_set():
            assert 3 not in index.search(Q[0], 5, deny=[3], exclude=[4]).indices

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(searches)
        for first in range(50, 400):
            index.add(X[first : first + 1])
        done.set()
        reader.result()


def test_items_of_many_threads_are_all_kept():
    index = CosineIndex(X[:1])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: index.add(X[i : i + 1]), range(1, 60)))
    assert len(index) == 60
    found, right = index.search(Q, 60), CosineIndex(X[:60]).search(Q, 60)
    np.testing.assert_array_equal(found.scores, right.scores)
