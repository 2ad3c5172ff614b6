"""Perceptrons that classify."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie._mlp import Perceptron
from coterie._mlp_targets import check_labels, encode, plain, read_classes, read_labels
from coterie._mlp_trainer import steps_only
from coterie._validate import check_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from coterie._mlp_weights import Rows


class MLPClassifier(Perceptron):
    """A net of dense layers that classifies, with scikit-learn's interface.

    The last layer is a sigmoid under binary cross-entropy for two classes and for several labels
    a row, a softmax under categorical cross-entropy otherwise.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(100,)
        Units of the hidden layers.
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='relu'
        What hidden layers apply.
    solver : {'lbfgs', 'sgd', 'adam'}, default='adam'
        L-BFGS on all rows, or steps of batches.
    alpha : float, default=0.0001
        Penalty: alpha / 2 times the sum of squared kernels, divided by the rows (or their weight)
        of the batch.
    batch_size : int or 'auto', default='auto'
        Rows of a step; 'auto' is min(200, n_samples).
    learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
        For 'sgd': as it is; divided by (t + 1)^power_t after every epoch, t being the rows seen;
        or divided by 5 whenever training would stop, until it is 1e-6.
    learning_rate_init : float, default=0.001
        The learning rate at the start.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int, default=200
        Most epochs, or iterations of 'lbfgs'.
    shuffle : bool, default=True
        Whether every epoch takes the rows in another order.
    random_state : int, RandomState, Generator or None, default=None
        Source of the draws. The weights start where scikit-learn's do with the same seed; rows are
        shuffled and held out in an order of our own.
    tol : float, default=1e-4
        What an epoch has to gain; for 'lbfgs', the gradient at which to stop.
    verbose : bool, default=False
        Print the loss of every epoch.
    warm_start : bool, default=False
        Start where the last `fit` ended.
    momentum : float, default=0.9
        Of 'sgd', in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether 'sgd' looks ahead.
    early_stopping : bool, default=False
        Judge by the score of rows that are held out, and keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of these rows.
    beta_1, beta_2, epsilon : float, default=0.9, 0.999 and 1e-8
        Of 'adam'.
    n_iter_no_change : int, default=10
        Training stops when more epochs than this in a row gain less than `tol`.
    max_fun : int, default=15000
        Most evaluations of the loss by 'lbfgs'.
    n_threads : int, default=None
        Threads to use; None is all CPUs of this process. The result has the same bits for any.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coefs_, intercepts_ : list of ndarray
        Kernels (n_in, n_out) and biases (n_out,), layer by layer.
    loss_ : float
        The loss of the last epoch.
    loss_curve_ : list of float
        That of every epoch; not for 'lbfgs'.
    best_loss_ : float or None
        The lowest of them; None with `early_stopping`.
    validation_scores_, best_validation_score_ : list of float and float, or None
        With `early_stopping`: the score of the held-out rows after every epoch, and the best.
    n_iter_ : int
        Epochs or iterations of the last fit.
    t_ : int
        Rows seen in all, repeats included.
    n_layers_, n_outputs_ : int
        Layers, input and output among them; outputs.
    out_activation_ : str
        What the last layer applies.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, only if all of them are strings.

    References
    ----------
    C. M. Bishop: Pattern Recognition and Machine Learning, chapter 5. Springer, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    >>> y = ["same", "other", "other", "same"]
    >>> model = MLPClassifier((8,), solver="lbfgs", activation="tanh", random_state=1).fit(X, y)
    >>> model.predict(X).tolist()
    ['same', 'other', 'other', 'same']
    """

    _estimator_type = "classifier"

    classes_: NDArray[Any]

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MLPClassifier:
        """Train on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), dense
            Rows. float32 rows are trained on in float32, all others in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, or a matrix of 0 and 1 for several labels a row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If parameters or data are invalid; the message names them.
        coterie.nn.DivergenceError
            If the loss is not finite.
        """
        self._fit_rows(X, y, sample_weight, incremental=False)
        return self

    @steps_only
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> MLPClassifier:
        """Train for one epoch, going on from where training stands.

        Parameters
        ----------
        X, y : array-like
            Rows and classes, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        classes : array-like of shape (n_classes,), default=None
            All classes there will ever be; needed in the first call.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        AttributeError
            If the solver is 'lbfgs'.
        ValueError
            As in `fit`, and if `classes` are missing in the first call or other ones later.
        """
        given = None if classes is None else read_classes(classes)
        if "classes_" not in vars(self):
            if given is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self._given = given
        elif given is not None and not np.array_equal(given, self.classes_):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        try:
            self._fit_rows(X, y, sample_weight, incremental=True)
        finally:
            vars(self).pop("_given", None)
        return self

    def _targets(self, y: object, n_rows: int, dtype: np.dtype[Any], keep: bool) -> NDArray[Any]:
        labels = read_labels(y, n_rows)
        given = vars(self).get("_given")
        if not keep:
            self.classes_ = labels.classes if given is None else given
            self._multilabel = labels.multilabel
        elif labels.multilabel != self._multilabel:
            one, several = "one class a row", "a matrix of 0 and 1"
            wanted, got = (several, one) if self._multilabel else (one, several)
            raise ValueError(f"y: wanted {wanted}, as in the first fit, got {got}")
        if labels.multilabel and len(labels.classes) != len(self.classes_):
            raise ValueError(
                f"y: wanted {len(self.classes_)} columns, one a label, got {len(labels.classes)}"
            )
        missing = sorted(set(labels.classes.tolist()) - set(self.classes_.tolist()))
        if keep and self.warm_start and len(labels.classes) < len(self.classes_):
            missing = missing or sorted(set(self.classes_.tolist()) - set(labels.classes.tolist()))
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {labels.classes}"
            )
        codes = encode(
            labels,
            self.classes_,
            f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}, `y` has "
            f"{missing} besides",
        )
        if self._multilabel:
            return np.ascontiguousarray(codes, dtype=dtype)
        return codes if len(self.classes_) > 2 else codes[:, None].astype(dtype)

    def _output(self) -> tuple[int, str]:
        if self._multilabel:
            return len(self.classes_), "logistic"
        several = len(self.classes_) > 2
        return (len(self.classes_), "softmax") if several else (1, "logistic")

    def _loss(self) -> dict[str, Any]:
        if self.out_activation_ == "softmax":
            return {"name": "sparse_categorical_crossentropy"}
        # Summed over the labels of a row, where the core takes their mean.
        return {"name": "binary_crossentropy", "scale": float(self.n_outputs_)}

    @property
    def _stratified(self) -> bool:  # type: ignore[override]
        return not self._multilabel

    def _score_of(self, out: NDArray[Any], rows: Rows) -> float:
        codes, wanted = self._codes(out), rows.Y
        if not self._multilabel:
            return _share(codes == wanted.reshape(len(out)).astype(np.int64), rows.weights)
        return _share((codes == wanted).all(axis=1), rows.weights)

    def _codes(self, out: NDArray[Any]) -> NDArray[Any]:
        if self._multilabel:
            return (out > 0.5).astype(np.int64)
        if self.out_activation_ == "softmax":
            codes: NDArray[np.int64] = out.argmax(axis=1)
            return codes
        return np.minimum(out[:, 0] > 0.5, len(self.classes_) - 1).astype(np.int64)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likeliest class of every row, or its labels as 0 and 1.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), dense
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Classes, or labels.
        """
        codes = self._codes(self._outputs(X))
        found: NDArray[Any] = codes if self._multilabel else self.classes_[codes]
        return found

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the probability of every class, or of every label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), dense
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        out = self._outputs(X)
        return out if out.shape[1] > 1 or self._multilabel else np.hstack([1 - out, out])

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the logarithms of `predict_proba`; -inf for a probability that rounds to 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), dense
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of rows whose class is right; of several labels, all of them.

        Parameters
        ----------
        X, y : array-like
            Rows and classes, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The accuracy.

        Raises
        ------
        ValueError
            If y has another shape than `predict` returns, or holds what is no class.
        """
        found = self.predict(X)
        wanted = plain(y, "y")
        if wanted.ndim == 2 and wanted.shape[1] == 1 and found.ndim == 1:
            wanted = wanted[:, 0]
        if wanted.shape != found.shape:
            raise ValueError(f"y: wanted shape {found.shape}, got {wanted.shape}")
        check_labels(wanted, "y")
        right = (found == wanted).reshape(len(found), -1).all(axis=1)
        return _share(right, check_weights(sample_weight, len(found)))

    def __sklearn_tags__(self) -> Any:
        tags, utils = super().__sklearn_tags__(), importlib.import_module("sklearn.utils")
        tags.target_tags.required = True
        tags.classifier_tags = utils.ClassifierTags(multi_label=True)
        return tags


def _share(right: NDArray[np.bool_], weights: NDArray[np.float64] | None) -> float:
    return float(np.average(right, weights=weights))
