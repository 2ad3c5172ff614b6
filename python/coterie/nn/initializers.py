"""Where weights start, under Keras's names.

A layer takes an object of this module or its name in lower case: `GlorotUniform()` or
`"glorot_uniform"`. All draws are made in float64 and rounded to the dtype of the net.

Examples
--------
>>> GlorotUniform(seed=0)((2, 3)).shape
(2, 3)
>>> Constant(0.5)((2,))
array([0.5, 0.5])
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie._validate import check_number
from coterie.nn._config import Configured, lookup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Shape = tuple[int, ...]

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "get",
]

# The standard deviation of a standard normal variable that is cut off at +-2.
CUT_NORMAL = 0.87962566103423978


class Initializer(Configured):
    """Base of the initialisers; a subclass defines `_draw(shape, random)`."""

    seed: int | None = None

    def __call__(
        self, shape: Shape, random: np.random.Generator | None = None
    ) -> NDArray[np.float64]:
        """Return fresh weights.

        Parameters
        ----------
        shape : tuple of int
            (d_in, d_out) for a kernel, (d_out,) for a bias.
        random : Generator, default=None
            Where numbers come from, unless this initialiser has a seed of its own.

        Returns
        -------
        ndarray of float64
            The weights.
        """
        if self.seed is not None or random is None:
            random = np.random.default_rng(self.seed)
        drawn = np.asarray(self._draw(tuple(shape), random), dtype=np.float64)
        if drawn.shape != tuple(shape):
            raise ValueError(f"initializer: wanted weights of shape {shape}, got {drawn.shape}")
        if not np.isfinite(drawn).all():
            raise ValueError(f"initializer: wanted finite weights, got others from {self!r}")
        return drawn

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:
        raise NotImplementedError


class Zeros(Initializer):
    """All weights 0."""

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:  # noqa: ARG002
        return np.zeros(shape)


class Ones(Initializer):
    """All weights 1."""

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:  # noqa: ARG002
        return np.ones(shape)


class Constant(Initializer):
    """All weights `value`."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = check_number(value, "value")

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:  # noqa: ARG002
        return np.full(shape, self.value)


class RandomNormal(Initializer):
    """Normal weights of the given mean and standard deviation; also called `normal`."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:
        return random.normal(self.mean, self.stddev, shape)


class RandomUniform(Initializer):
    """Uniform weights in [minval, maxval)."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:
        return random.uniform(self.minval, self.maxval, shape)


class TruncatedNormal(Initializer):
    """Normal weights; those more than two standard deviations from the mean are drawn again."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:
        return self.mean + self.stddev * _cut_normal(shape, random)


class Orthogonal(Initializer):
    """`gain` times a matrix of orthonormal rows or columns (Saxe et al. 2014)."""

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:
        if len(shape) != 2:
            raise ValueError(f"orthogonal: wanted the shape of a kernel, got {shape}")
        tall = random.normal(size=(max(shape), min(shape)))
        q, r = np.linalg.qr(tall)
        q *= np.sign(np.diagonal(r))  # otherwise the distribution would not be uniform
        return self.gain * (q if shape[0] >= shape[1] else q.T)


class VarianceScaling(Initializer):
    """Weights whose variance is scale / n, for n the fan in, the fan out, or their mean.

    Parameters
    ----------
    scale : float, default=1.0
        Above 0.
    mode : {'fan_in', 'fan_out', 'fan_avg'}, default='fan_in'
        What n is.
    distribution : {'truncated_normal', 'untruncated_normal', 'uniform'}
        Of which kind; the default is 'truncated_normal'.
    seed : int, default=None
        None draws from the generator of the net.

    References
    ----------
    X. Glorot, Y. Bengio: Understanding the difficulty of training deep feedforward neural networks.
    AISTATS, 2010. K. He et al.: Delving Deep into Rectifiers. ICCV, 2015.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        if not scale > 0:
            raise ValueError(f"scale: wanted a number above 0, got {scale!r}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"mode: wanted 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}")
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                "distribution: wanted 'truncated_normal', 'untruncated_normal' or 'uniform', "
                f"got {distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.seed = seed

    def _draw(self, shape: Shape, random: np.random.Generator) -> Any:
        fan_in, fan_out = shape[0], shape[-1]
        fan = {"fan_in": fan_in, "fan_out": fan_out}.get(self.mode, (fan_in + fan_out) / 2)
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return random.normal(0, math.sqrt(variance), shape)
        return math.sqrt(variance) / CUT_NORMAL * _cut_normal(shape, random)


class _Scaled(VarianceScaling):
    _fixed: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self._fixed, seed=seed)


class GlorotUniform(_Scaled):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)); what `Dense` starts from."""

    _fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of variance 2 / (fan_in + fan_out)."""

    _fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform in +-sqrt(6 / fan_in)."""

    _fixed = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of variance 2 / fan_in."""

    _fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform in +-sqrt(3 / fan_in)."""

    _fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of variance 1 / fan_in."""

    _fixed = (1.0, "fan_in", "truncated_normal")


NAMES: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_normal": RandomNormal,
    "normal": RandomNormal,
    "random_uniform": RandomUniform,
    "uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "orthogonal": Orthogonal,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
}


def get(value: object, what: str = "initializer") -> Initializer:
    """Return the initialiser that `value` is or names.

    Parameters
    ----------
    value : str or Initializer
        A name in lower case, or an object.
    what : str, default='initializer'
        What a message calls it.

    Returns
    -------
    Initializer
        The object.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists them.
    """
    return lookup(value, Initializer, NAMES, what)


def _cut_normal(shape: Shape, random: np.random.Generator) -> NDArray[np.float64]:
    out = random.standard_normal(shape)
    while (far := np.abs(out) > 2).any():
        out[far] = random.standard_normal(np.count_nonzero(far))
    return out
