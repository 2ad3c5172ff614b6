"""Dense layers, and nets of them that train whole in the core, under Keras's names.

Examples
--------
>>> import numpy as np
>>> X = np.random.default_rng(0).random((200, 4))
>>> y = (X.sum(axis=1) > 2).astype(float)
>>> model = Sequential([Dense(8, activation="relu"), Dense(1, activation="sigmoid")], seed=0)
>>> model.compile(optimizer=Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
>>> history = model.fit(X, y, epochs=50)
>>> bool(history.history["accuracy"][-1] > 0.9)
True
"""

from __future__ import annotations

from coterie.nn import (
    callbacks,
    initializers,
    layers,
    losses,
    optimizers,
    regularizers,
    schedules,
)
from coterie.nn._dense import dense_backward, dense_forward
from coterie.nn._errors import DivergenceError
from coterie.nn._files import load_model
from coterie.nn._gradients import GradientCheck
from coterie.nn._many import fit_many
from coterie.nn.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from coterie.nn.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)
from coterie.nn.layers import (
    ELU,
    Activation,
    ActivityRegularization,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    Layer,
    LeakyReLU,
    Reshape,
    SparsityRegularization,
)
from coterie.nn.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    HalfSquaredError,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from coterie.nn.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from coterie.nn.regularizers import L1, L1L2, L2, Regularizer, l1, l1_l2, l2
from coterie.nn.schedules import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from coterie.nn.sequential import Sequential

__all__ = [
    "ELU",
    "L1",
    "L1L2",
    "L2",
    "SGD",
    "Activation",
    "ActivityRegularization",
    "Adagrad",
    "Adam",
    "AdamW",
    "BatchNormalization",
    "BinaryCrossentropy",
    "CSVLogger",
    "Callback",
    "CategoricalCrossentropy",
    "Constant",
    "CosineDecay",
    "Dense",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "ExponentialDecay",
    "Flatten",
    "GaussianNoise",
    "GlorotNormal",
    "GlorotUniform",
    "GradientCheck",
    "HalfSquaredError",
    "HeNormal",
    "HeUniform",
    "History",
    "Huber",
    "Initializer",
    "Input",
    "InverseTimeDecay",
    "KLDivergence",
    "LambdaCallback",
    "Layer",
    "LeakyReLU",
    "LearningRateSchedule",
    "LearningRateScheduler",
    "LecunNormal",
    "LecunUniform",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "ModelCheckpoint",
    "Ones",
    "Optimizer",
    "Orthogonal",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "RMSprop",
    "RandomNormal",
    "RandomUniform",
    "ReduceLROnPlateau",
    "Regularizer",
    "Reshape",
    "Sequential",
    "SparseCategoricalCrossentropy",
    "SparsityRegularization",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "callbacks",
    "dense_backward",
    "dense_forward",
    "fit_many",
    "initializers",
    "l1",
    "l1_l2",
    "l2",
    "layers",
    "load_model",
    "losses",
    "optimizers",
    "regularizers",
    "schedules",
]
