"""What every estimator shares: parameters, names of features, tags, errors, output containers.

The conventions are scikit-learn's, so that its pipelines, searches and checks work; scikit-learn
itself is only looked up where the user has loaded it already.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from coterie._validate import check_rows, feature_names

if TYPE_CHECKING:
    from types import FrameType

    from numpy.typing import NDArray

    from coterie._validate import Rows

Self = TypeVar("Self", bound="Estimator")
CONTAINERS = ("default", "pandas", "polars")


def arguments_of(cls: type) -> dict[str, Any]:
    """Return the arguments of a class's own `__init__` with defaults, `...` where none is."""
    init: Any = vars(cls)["__init__"]
    code = init.__code__
    n_plain = code.co_argcount
    names = code.co_varnames[1 : n_plain + code.co_kwonlyargcount]
    plain = init.__defaults__ or ()
    defaults = dict(zip(code.co_varnames[n_plain - len(plain) : n_plain], plain, strict=True))
    defaults.update(init.__kwdefaults__ or {})
    return {name: defaults.get(name, ...) for name in names}


class NotFittedError(ValueError, AttributeError):
    """A method that needs a fitted estimator was called before `fit`."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The raised class may be one made below, which cannot be pickled by name.
        return _not_fitted, self.args


class ConvergenceWarning(UserWarning):
    """The result is valid, but not all that was asked for."""


@cache
def _joined(ours: type, theirs: type) -> type:
    return type(ours.__name__, (ours, theirs), {"__module__": ours.__module__})


def known_to_sklearn(ours: type) -> Any:
    """Return `ours`, as a subclass of scikit-learn's class of that name too where it is loaded."""
    theirs = getattr(sys.modules.get("sklearn.exceptions"), ours.__name__, None)
    return ours if theirs is None else _joined(ours, theirs)


def _not_fitted(message: str) -> NotFittedError:
    error: NotFittedError = known_to_sklearn(NotFittedError)(message)
    return error


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called into this package."""
    level, frame = 1, sys._getframe()
    caller: FrameType | None = frame
    while caller and str(caller.f_globals.get("__name__")).partition(".")[0] == "coterie":
        level, caller = level + 1, caller.f_back
    warnings.warn(message, category, stacklevel=level)


class Estimator:
    """Base of the estimators: `__init__` of a subclass stores its arguments and does no more."""

    _estimator_type: ClassVar[str | None]
    _accepts_sparse: ClassVar[bool] = False
    _defaults: ClassVar[dict[str, Any]] = {}

    n_features_in_: int
    feature_names_in_: NDArray[Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls._defaults = arguments_of(cls)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Accepted for scikit-learn's sake: no parameter is an estimator.

        Returns
        -------
        dict
            The objects that were passed to `__init__` or `set_params`, in the signature's order.
        """
        return {name: getattr(self, name) for name in self._defaults}

    def set_params(self: Self, **params: Any) -> Self:
        """Set parameters by name.

        Parameters
        ----------
        **params : dict
            New values; they are checked by the next `fit`.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If a name is not a parameter; the message lists the valid ones.
        """
        for name in params:
            if name not in self._defaults:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}. "
                    f"Valid parameters are: {list(self._defaults)!r}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = (
            f"{name}={_brief(value)}"
            for name, value in self.get_params().items()
            if value is not self._defaults[name] and _brief(value) != _brief(self._defaults[name])
        )
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return "n_features_in_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        utils = importlib.import_module("sklearn.utils")
        return utils.Tags(
            estimator_type=self._estimator_type,
            target_tags=utils.TargetTags(required=False),
            input_tags=utils.InputTags(sparse=self._accepts_sparse),
        )

    def _require_fit(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise _not_fitted(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with "
                "appropriate arguments before using this estimator."
            )

    def _fitted_rows(self, X: object) -> Rows:
        """Return X as rows with the features that `fit` saw."""
        self._require_fit()
        self._check_names(X)
        rows = check_rows(X)
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        return rows

    def _check_names(self, X: object) -> None:
        """Compare the column names of X with those seen at fit, in scikit-learn's words."""
        seen, names = vars(self).get("feature_names_in_"), feature_names(X)
        if names is None and seen is None:
            return
        title = type(self).__name__
        if seen is None:
            warn(f"X has feature names, but {title} was fitted without feature names", UserWarning)
        elif names is None:
            warn(
                f"X does not have valid feature names, but {title} was fitted with feature names",
                UserWarning,
            )
        elif list(seen) != list(names):
            raise ValueError(_names_differ(list(seen), list(names)))

    def _store_features(self, n_features: int, names: NDArray[Any] | None) -> None:
        self.n_features_in_ = n_features
        if names is not None:
            self.feature_names_in_ = names
        else:
            vars(self).pop("feature_names_in_", None)


class Transformer(Estimator):
    """An estimator whose `transform` yields one column a component, named after its class."""

    _sklearn_output_config: dict[str, str]
    _sklearn_auto_wrap_output_keys: ClassVar[frozenset[str]] = frozenset({"transform"})

    @property
    def _n_features_out(self) -> int:
        raise NotImplementedError

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """Return the names of the columns that `transform` yields.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Only compared with `feature_names_in_`.

        Returns
        -------
        ndarray of object
            The lower-case class name and a number: 'kmeans0', 'kmeans1', ...

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If `input_features` are not those of `fit`.
        """
        self._require_fit()
        if input_features is not None:
            given = list(np.asarray(input_features, dtype=object))
            seen = vars(self).get("feature_names_in_")
            if seen is not None and given != list(seen):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(given) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(given)}"
                )
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{i}" for i in range(self._n_features_out)], dtype=object)

    def set_output(self: Self, *, transform: str | None = None) -> Self:
        """Choose what `transform` and `fit_transform` return.

        Parameters
        ----------
        transform : {'default', 'pandas', 'polars'}, default=None
            An ndarray, or a data frame of that library. None changes nothing.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If the value is none of these.
        """
        if transform is not None:
            if transform not in CONTAINERS:
                raise ValueError(
                    f"transform: wanted one of {', '.join(map(repr, CONTAINERS))}, "
                    f"got {transform!r}"
                )
            vars(self)["_sklearn_output_config"] = {"transform": transform}
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        utils = importlib.import_module("sklearn.utils")
        tags.transformer_tags = utils.TransformerTags(preserves_dtype=["float64", "float32"])
        return tags

    def _wrapped(self, out: NDArray[Any], X: object) -> Any:
        """Return `out` in the container chosen here or by scikit-learn's global setting."""
        container = vars(self).get("_sklearn_output_config", {}).get("transform")
        if container is None:
            sklearn = sys.modules.get("sklearn")
            container = sklearn.get_config()["transform_output"] if sklearn else "default"
        if container == "default":
            return out
        names = list(self.get_feature_names_out())
        library: Any = importlib.import_module(container)
        if container == "polars":
            return library.DataFrame(out, schema=names, orient="row")
        index = X.index if isinstance(X, library.DataFrame) else None
        return library.DataFrame(out, columns=names, index=index, copy=False)


def _brief(value: object) -> str:
    """Return repr(value), or the class and shape of an array that is too long to print."""
    if isinstance(value, np.ndarray) and value.size > 6:
        return f"<{value.dtype} array of shape {value.shape}>"
    return repr(value)


def _names_differ(seen: list[str], names: list[str]) -> str:
    unexpected, missing = sorted(set(names) - set(seen)), sorted(set(seen) - set(names))
    lines = ["The feature names should match those that were passed during fit."]
    for title, some in (
        ("Feature names unseen at fit time:", unexpected),
        ("Feature names seen at fit time, yet now missing:", missing),
    ):
        if some:
            lines += [title, *(f"- {name}" for name in some[:5]), *["- ..."] * (len(some) > 5)]
    if not unexpected and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"
