"""Linkage matrices and what is read off them: a drop-in for `scipy.cluster.hierarchy`.

Examples
--------
>>> from coterie.hierarchy import cut_tree, fcluster, leaves_list
>>> Z = [[0.0, 2, 1.0, 2], [1, 3, 1.5, 2], [4, 5, 6.0, 4]]
>>> fcluster(Z, 2, criterion="maxclust")
array([1, 2, 1, 2], dtype=int32)
"""

from __future__ import annotations

from coterie.hierarchy._dendrogram import dendrogram, set_link_color_palette
from coterie.hierarchy._disjoint import DisjointSet
from coterie.hierarchy._flat import cut_tree, fcluster, fclusterdata, leaders
from coterie.hierarchy._linkage import (
    LinkageInfo,
    average,
    centroid,
    complete,
    linkage,
    median,
    single,
    ward,
    weighted,
)
from coterie.hierarchy._order import optimal_leaf_ordering
from coterie.hierarchy._pairs import pdist
from coterie.hierarchy._stats import cophenet, inconsistent, maxdists, maxinconsts, maxRstat
from coterie.hierarchy._tree import (
    ClusterNode,
    from_mlab_linkage,
    leaves_list,
    to_mlab_linkage,
    to_tree,
)
from coterie.hierarchy._valid import (
    ClusterWarning,
    correspond,
    is_isomorphic,
    is_monotonic,
    is_valid_im,
    is_valid_linkage,
    num_obs_linkage,
)

__all__ = [
    "ClusterNode",
    "ClusterWarning",
    "DisjointSet",
    "LinkageInfo",
    "average",
    "centroid",
    "complete",
    "cophenet",
    "correspond",
    "cut_tree",
    "dendrogram",
    "fcluster",
    "fclusterdata",
    "from_mlab_linkage",
    "inconsistent",
    "is_isomorphic",
    "is_monotonic",
    "is_valid_im",
    "is_valid_linkage",
    "leaders",
    "leaves_list",
    "linkage",
    "maxRstat",
    "maxdists",
    "maxinconsts",
    "median",
    "num_obs_linkage",
    "optimal_leaf_ordering",
    "pdist",
    "set_link_color_palette",
    "single",
    "to_mlab_linkage",
    "to_tree",
    "ward",
    "weighted",
]
