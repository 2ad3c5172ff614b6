"""Layers of `Sequential`, under Keras's names and with its arguments.

Examples
--------
>>> Dense(25, activation="relu")
Dense(units=25, activation='relu')
>>> Dropout(0.5)
Dropout(rate=0.5)
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from coterie._estimator import warn
from coterie._validate import check_bool, check_int, check_real
from coterie.nn import initializers, regularizers
from coterie.nn._activations import ELU, SLOPES, Activation, LeakyReLU, activation_name
from coterie.nn._layer import Elementwise, Layer, Weight, flat, row_shape, sized
from coterie.nn._net import check_dtype
from coterie.nn._normalization import BatchNormalization

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coterie.nn._layer import Op, Shape

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Input",
    "Layer",
    "LeakyReLU",
    "Reshape",
    "SparsityRegularization",
]


class Input(Layer):
    """The shape of a row: the first of a net that is to be built at once.

    Parameters
    ----------
    shape : int or tuple of int
        Without the number of rows, such as (10,).
    dtype : {'float32', 'float64'}, default=None
        In what the net computes; None takes that of the data.
    name : str, default=None
        By default 'input'.
    """

    def __init__(
        self, shape: int | tuple[int, ...], dtype: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.shape = row_shape(shape, "shape")
        self.dtype = check_dtype(dtype)

    def _shape_after(self, shape: Shape) -> Shape:
        if shape != self.shape:
            raise ValueError(f"Input: wanted rows of shape {self.shape}, got {shape}")
        return shape


class Dense(Layer):
    """Z = X W + b, A = activation(Z).

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str, default=None
        'linear' (None), 'step', 'relu', 'leaky_relu' (slope 0.2), 'elu', 'selu', 'gelu' (exact),
        'gelu_tanh', 'sigmoid', 'tanh', 'softplus' or 'softmax'.
    use_bias : bool, default=True
        Whether there is a b.
    kernel_initializer, bias_initializer : str or Initializer
        Where W and b start; 'glorot_uniform' and 'zeros'.
    kernel_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, default=None
        Penalties on W, b and A.
    name : str, default=None
        By default 'dense' and a number.
    input_shape : tuple of int, default=None
        Shape of a row, for a first layer without an Input before it.
    input_dim : int, default=None
        The same as a number.

    Notes
    -----
    W has the shape (inputs, units). The gradient of 'step' is that of the identity within
    |z| <= 1 and 0 beyond (Bengio et al. 2013).
    """

    _shaping = ("units", "use_bias")

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        kernel_regularizer: str | regularizers.Regularizer | None = None,
        bias_regularizer: str | regularizers.Regularizer | None = None,
        activity_regularizer: str | regularizers.Regularizer | None = None,
        *,
        name: str | None = None,
        input_shape: tuple[int, ...] | None = None,
        input_dim: int | None = None,
    ) -> None:
        if input_dim is not None:
            if input_shape is not None:
                raise ValueError("input_dim: wanted either input_dim or input_shape, got both")
            input_shape = (input_dim,)
        super().__init__(name, input_shape)
        self.units = check_int(units, "units")
        self.activation = activation_name(activation)
        self.use_bias = check_bool(use_bias, "use_bias")
        self.kernel_initializer = initializers.get(kernel_initializer, "kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, "bias_initializer")
        self.kernel_regularizer = regularizers.get(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = regularizers.get(bias_regularizer, "bias_regularizer")
        self.activity_regularizer = regularizers.get(activity_regularizer, "activity_regularizer")
        if self.activation == "softmax" and self.units == 1:
            warn("Dense: a softmax of one unit is 1 for every row; wanted 'sigmoid'?", UserWarning)

    @property
    def kernel(self) -> NDArray[Any]:
        """W, (inputs, units); writing to it changes the net."""
        return self._named("kernel")

    @property
    def bias(self) -> NDArray[Any] | None:
        """b, (units,), or None."""
        return self._named("bias") if self.use_bias else None

    def _shape_after(self, shape: Shape) -> Shape:
        flat(shape, "Dense")
        return (self.units,)

    def _weights_for(self, shape: Shape) -> list[Weight]:
        kernel = Weight("kernel", (shape[0], self.units), self.kernel_initializer)
        bias = Weight("bias", (self.units,), self.bias_initializer)
        return [kernel, bias] if self.use_bias else [kernel]

    def _ops(self, places: list[int]) -> list[Op]:
        op: Op = {
            "kind": "dense",
            "activation": self.activation,
            "alpha": SLOPES.get(self.activation, 0.0),
            "weights": places[0],
            "bias": places[1] if self.use_bias else -1,
            "trainable": bool(self.trainable),
        }
        for prefix, penalty in (
            ("", self.kernel_regularizer),
            ("bias_", self.bias_regularizer),
            ("activity_", self.activity_regularizer),
        ):
            op[f"{prefix}l1"] = penalty.l1 if penalty else 0.0
            op[f"{prefix}l2"] = penalty.l2 if penalty else 0.0
        return [sized(op, self._known(), self._out)]


class Dropout(Elementwise):
    """While training, entries are set to 0 with probability `rate`, the others scaled up.

    Parameters
    ----------
    rate : float
        In [0, 1); what is kept is divided by 1 - rate.
    name : str, default=None
        By default 'dropout' and a number.

    References
    ----------
    N. Srivastava et al.: Dropout. JMLR 15, 2014.
    """

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = check_real(rate, "rate")
        if self.rate >= 1:
            raise ValueError(f"rate: wanted a share in [0, 1), got {rate!r}")

    def _op(self) -> Op:
        return {"kind": "dropout", "rate": self.rate}


class GaussianNoise(Elementwise):
    """While training, normal noise of mean 0 is added.

    Parameters
    ----------
    stddev : float
        Its standard deviation.
    name : str, default=None
        By default 'gaussian_noise' and a number.
    """

    def __init__(self, stddev: float, name: str | None = None) -> None:
        super().__init__(name)
        self.stddev = check_real(stddev, "stddev")

    def _op(self) -> Op:
        return {"kind": "noise", "stddev": self.stddev}


class ActivityRegularization(Elementwise):
    """Adds (l1 sum |a| + l2 sum a^2) / rows to the loss; the values pass unchanged.

    Parameters
    ----------
    l1, l2 : float, default=0.0
        Weights of the two sums.
    name : str, default=None
        By default 'activity_regularization' and a number.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, name: str | None = None) -> None:
        super().__init__(name)
        self.l1 = check_real(l1, "l1")
        self.l2 = check_real(l2, "l2")

    def _op(self) -> Op:
        return {"kind": "activity", "l1": self.l1, "l2": self.l2}


class SparsityRegularization(Elementwise):
    """Adds beta sum_j KL(rho | rho_j) to the loss; the values, in (0, 1), pass unchanged.

    rho_j is the mean of feature j over the rows of the batch, clipped to [1e-7, 1 - 1e-7], and
    KL(rho | r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r)): each feature is asked to
    be active, on average, in a share rho of the rows. Not in Keras.

    Parameters
    ----------
    rho : float, default=0.05
        The share wanted, in (0, 1).
    beta : float, default=1.0
        Weight of the penalty.
    name : str, default=None
        By default 'sparsity_regularization' and a number.

    Notes
    -----
    It belongs behind a sigmoid. The gradient by each value of feature j is beta / n (-rho / rho_j +
    (1 - rho) / (1 - rho_j)), n the rows of the batch, and 0 where rho_j was clipped. Weights of
    rows have no part in rho_j.

    References
    ----------
    A. Ng: Sparse autoencoder. CS294A lecture notes, Stanford, 2011. H. Lee, C. Ekanadham, A. Ng:
    Sparse deep belief net model for visual area V2. NeurIPS, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from coterie.nn import Sequential
    >>> layers = [Dense(8, activation="sigmoid"), SparsityRegularization(rho=0.1, beta=2.0)]
    >>> model = Sequential([*layers, Dense(4)], seed=0)
    >>> model.compile("adam", "mse")
    >>> X = np.random.default_rng(0).random((50, 4))
    >>> history = model.fit(X, X, epochs=2)
    """

    def __init__(self, rho: float = 0.05, beta: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.rho = check_real(rho, "rho")
        if not 0 < self.rho < 1:
            raise ValueError(f"rho: wanted a share in (0, 1), got {rho!r}")
        self.beta = check_real(beta, "beta")

    def _op(self) -> Op:
        return {"kind": "activity", "kl_target": self.rho, "kl_weight": self.beta}


class Flatten(Layer):
    """Rows of any shape become vectors, the last index running fastest.

    Parameters
    ----------
    name : str, default=None
        By default 'flatten' and a number.
    input_shape : tuple of int, default=None
        Shape of a row, for a first layer without an Input before it.
    """

    def _shape_after(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


class Reshape(Layer):
    """Rows take another shape.

    Parameters
    ----------
    target_shape : tuple of int
        Without the number of rows; one of them may be -1, for what is left.
    name : str, default=None
        By default 'reshape' and a number.
    """

    _shaping = ("target_shape",)

    def __init__(self, target_shape: tuple[int, ...], name: str | None = None) -> None:
        super().__init__(name)
        wanted = "target_shape: wanted sizes of at least 1, one of them perhaps -1"
        try:
            target = tuple(operator.index(size) for size in target_shape)
        except TypeError:
            raise TypeError(f"{wanted}, got {target_shape!r}") from None
        if not target or target.count(-1) > 1 or any(s < 1 and s != -1 for s in target):
            raise ValueError(f"{wanted}, got {target}")
        self.target_shape = target

    def _shape_after(self, shape: Shape) -> Shape:
        size, known = math.prod(shape), math.prod(s for s in self.target_shape if s != -1)
        target = tuple(size // known if s == -1 else s for s in self.target_shape)
        if math.prod(target) != size:
            raise ValueError(
                f"Reshape: {size} values of a row of shape {shape} do not fit {self.target_shape}"
            )
        return target
