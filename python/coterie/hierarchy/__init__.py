"""Hierarchical clustering, a stand-in for ``scipy.cluster.hierarchy`` by name and result."""

from __future__ import annotations

from coterie.hierarchy._dendrogram import dendrogram, set_link_color_palette
from coterie.hierarchy._flat import cut_tree, fcluster
from coterie.hierarchy._linkage import linkage, pdist
from coterie.hierarchy._stats import cophenet
from coterie.hierarchy._valid import is_valid_linkage

__all__ = [
    "cophenet",
    "cut_tree",
    "dendrogram",
    "fcluster",
    "is_valid_linkage",
    "linkage",
    "pdist",
    "set_link_color_palette",
]
