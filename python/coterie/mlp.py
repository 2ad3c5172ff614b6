"""Multi-layer perceptrons with scikit-learn's interface: MLPClassifier and MLPRegressor.

Epochs run whole in the core; between them, Python looks at the loss and decides whether to go on.
"""

from __future__ import annotations

from coterie._mlp_classifier import MLPClassifier
from coterie._mlp_regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
