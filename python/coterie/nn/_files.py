"""Nets in files: the layout of safetensors, the configuration as JSON inside, no pickle.

A file is eight bytes with the length of a JSON header, the header, and the arrays one after the
other. The header says for every array its dtype, its shape and where it lies; under `__metadata__`
stands how to build the net, and a checksum of that and of the arrays.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coterie.io.atomic import atomic
from coterie.io.errors import OutputError
from coterie.nn import initializers, layers, losses, optimizers, regularizers, schedules
from coterie.nn._config import Configured, packed, unpacked

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from coterie.nn.sequential import Sequential

FORMAT = "coterie.nn 1"
KINDS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
MOST_HEADER = 100_000_000  # the limit of safetensors
SAMPLE = 4  # rows whose outputs stand in the file, to be met when it is read


def classes() -> dict[str, type[Configured]]:
    """Return what a file may ask for, by name."""
    found: dict[str, type[Configured]] = {}
    for module in (initializers, layers, losses, optimizers, regularizers, schedules):
        for name in module.__all__:
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, Configured):
                found[kind.__name__] = kind
    return found


def save(model: Sequential, filepath: str | os.PathLike[str]) -> None:
    """Write a net: its layers, its weights, how it is compiled and the optimiser's memory."""
    net = model._net_or_raise()
    if not (np.isfinite(net.theta).all() and np.isfinite(net.state).all()):
        raise ValueError("save: wanted a net of finite weights, got some that are not")
    compiled = [model.loss, model.optimizer] if hasattr(model, "loss") else []
    for part in (*model._all, *compiled):
        type(part)(**part.get_config())  # refuses attributes set since that no reader would take
    config: dict[str, Any] = {
        "name": model.name,
        "layers": [packed(layer) | {"trainable": bool(layer.trainable)} for layer in model._all],
        "input_shape": list(net.input_shape),
        "dtype": model._dtype,
        "seed": model._seed,
        "epochs_seen": model._epochs_seen,
    }
    arrays: dict[str, NDArray[Any]] = {}
    for layer in model.layers:
        for weight, view in zip(layer._declared, layer._views, strict=True):
            arrays[f"{layer.name}/{weight.name}"] = view
    if compiled:
        config["loss"], config["optimizer"] = packed(model.loss), packed(model.optimizer)
        config["metrics"] = model._metrics
        config["iterations"] = model.optimizer.iterations
        if model.optimizer._slots is not None and model.optimizer._slots.size:
            arrays["optimizer/slots"] = model.optimizer._slots
    sample = np.random.default_rng(0).normal(size=(SAMPLE, *net.input_shape))
    arrays["sample/input"] = sample.astype(net.theta.dtype)
    arrays["sample/output"] = model.predict(arrays["sample/input"])
    stored = {name: _stored(array) for name, array in arrays.items()}
    text = json.dumps(config)
    metadata = {"format": FORMAT, "config": text, "crc32": _checksum(text, stored)}
    _write(Path(filepath), stored, metadata)


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array as its bytes stand in a file."""
    return np.ascontiguousarray(array, KINDS["F32" if array.dtype == np.float32 else "F64"])


def _checksum(config: str, arrays: dict[str, NDArray[Any]]) -> str:
    value = zlib.crc32(config.encode())
    for array in arrays.values():
        value = zlib.crc32(_stored(array).data, value)
    return f"{value:08x}"


def _write(path: Path, arrays: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    header: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, array in arrays.items():
        kind = "F32" if array.itemsize == 4 else "F64"
        end = at + array.nbytes
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the arrays start at a multiple of eight
    try:
        with atomic(path) as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for array in arrays.values():
                file.write(array.tobytes())
    except OutputError as error:  # the command's form of an OSError
        raise OSError(str(error)) from error


def load_model(
    filepath: str | os.PathLike[str], custom_objects: Mapping[str, type[Configured]] | None = None
) -> Sequential:
    """Read a net that `Sequential.save` wrote, ready to predict or to train on.

    Parameters
    ----------
    filepath : str or path
        The file.
    custom_objects : dict of str to class, default=None
        Classes of one's own that the net has, by name: initialisers and schedules.

    Returns
    -------
    Sequential
        The net, compiled as it was; training goes on where it stood.

    Raises
    ------
    ValueError
        If the file is damaged, or not of this kind, or if the net does not give the outputs it
        gave when it was written.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile, os
    >>> from coterie.nn import Dense, Input, Sequential
    >>> net = Sequential([Input((2,)), Dense(1)], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.safetensors")
    ...     net.save(path)
    ...     again = load_model(path)
    >>> bool((again.predict([[1.0, 2]]) == net.predict([[1.0, 2]])).all())
    True
    """
    path = Path(filepath)
    data = path.read_bytes()
    try:
        arrays, metadata = _parse(data)
        if metadata.get("format") != FORMAT:
            raise ValueError(f"wanted the format {FORMAT!r}, got {metadata.get('format')!r}")
        checksum = _checksum(metadata["config"], arrays)
        if metadata.get("crc32", checksum) != checksum:  # files of before have none
            raise ValueError(f"wanted the checksum {metadata['crc32']}, got {checksum}")
        known = {**classes(), **(custom_objects or {})}
        model = _rebuilt(json.loads(metadata["config"]), arrays, known)
        given, wanted = arrays["sample/input"], arrays["sample/output"]
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RuntimeError) as e:
        said = str(e) if isinstance(e, ValueError) else repr(e)
        raise ValueError(f"{path}: is not a whole model file: {said}") from e
    got = model.predict(given)
    near = 1e-3 if given.dtype == np.float32 else 1e-9  # another instruction set rounds otherwise
    same = got.shape == wanted.shape
    if not same or not np.allclose(got, wanted, rtol=near, atol=near, equal_nan=True):
        raise ValueError(f"{path}: the net does not give the outputs it gave when it was written")
    return model


def _parse(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays and the metadata of a file's bytes."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MOST_HEADER, len(data) - 8):
        raise ValueError(f"wanted a header of {length} bytes, got a file of {len(data)}")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    body = memoryview(data)[8 + length :]
    metadata, at, arrays = header.pop("__metadata__"), 0, {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        kind, shape = KINDS[entry["dtype"]], tuple(int(size) for size in entry["shape"])
        size = kind.itemsize
        for length in shape:
            size *= length
        if min((0, *shape)) < 0 or start != at or end - start != size or end > len(body):
            raise ValueError(f"{name}: wanted {size} bytes at {at}, got {start} to {end}")
        arrays[name] = (
            np.frombuffer(body[start:end], kind).reshape(shape).astype(kind.newbyteorder("="))
        )
        at = end
    if at != len(body):
        raise ValueError(f"wanted {at} bytes of arrays, got {len(body)}")
    return arrays, metadata


def _rebuilt(
    config: dict[str, Any], arrays: dict[str, NDArray[Any]], known: dict[str, type[Configured]]
) -> Sequential:
    from coterie.nn.sequential import Sequential

    model = Sequential(name=config["name"], dtype=config["dtype"], seed=config["seed"])
    for entry in config["layers"]:
        layer = unpacked(entry, known)
        layer.trainable = bool(entry["trainable"])
        model._append(layer)
    model._build(tuple(config["input_shape"]), most=sum(array.size for array in arrays.values()))
    net = model._net_or_raise()
    net.adopt(arrays["sample/input"].dtype)
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{weight.name}"] for weight in layer._declared])
    model._epochs_seen = int(config["epochs_seen"])
    if "loss" in config:
        optimizer = unpacked(config["optimizer"], known)
        model.compile(optimizer, unpacked(config["loss"], known), config["metrics"])
        slots = arrays.get("optimizer/slots")
        if slots is not None:
            if not np.isfinite(slots).all():
                raise ValueError("optimizer/slots: wanted finite numbers, got one that is not")
            optimizer._slots = slots
        optimizer.iterations = int(config["iterations"])
    return model
