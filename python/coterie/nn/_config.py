"""What can be written to a model file and made again: a class of ours and its arguments."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from coterie._estimator import arguments_of

C = TypeVar("C", bound="Configured")


class Configured:
    """Base of what is described by the arguments of its `__init__`, kept under their names."""

    _arguments: ClassVar[dict[str, Any]] = {}
    _in_core: ClassVar[tuple[str, ...]] = ()  # methods of Keras that nobody would call here

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in cls._in_core:
            if name in vars(cls):
                raise TypeError(
                    f"{cls.__name__}.{name}: would never be called; layers, losses, penalties and "
                    "optimizers are computed in the core, and only callbacks, initializers and "
                    "schedules may be written in Python"
                )
        if "__init__" in vars(cls):
            cls._arguments = arguments_of(cls)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this object again, by name."""
        return {name: getattr(self, name) for name in self._arguments}

    def __repr__(self) -> str:
        changed = (
            f"{name}={value!r}"
            for name, value in self.get_config().items()
            if self._arguments[name] is ... or value != self._arguments[name]
        )
        return f"{type(self).__name__}({', '.join(changed)})"


class Watched(Configured):
    """What the core is told of once: `changes` counts, so that it is told again."""

    changes: ClassVar[int] = 0  # of public attributes of any object

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if not name.startswith("_"):
            Watched.changes += 1


def lookup(
    value: object, kind: type[C], names: dict[str, type[C]], what: str, optional: bool = False
) -> C:
    """Return `value` if it is a `kind` (not the bare base), or a new one with its defaults."""
    if isinstance(value, kind) and type(value) is not kind:
        return value
    if isinstance(value, type) and issubclass(value, kind) and value is not kind:
        return value()
    if isinstance(value, str) and value in names:
        return names[value]()
    wanted = ", ".join(map(repr, names))
    error = ValueError if isinstance(value, str) else TypeError
    none = " or None" if optional else ""
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    raise error(f"{what}: wanted one of {wanted}, {article} {kind.__name__}{none}, got {value!r}")


def packed(value: Any) -> Any:
    """Return `value` as JSON can hold it: an object of ours as its class and arguments."""
    if isinstance(value, Configured):
        config = {name: packed(item) for name, item in value.get_config().items()}
        return {"class_name": type(value).__name__, "config": config}
    if isinstance(value, (list, tuple)):
        return [packed(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def unpacked(value: Any, classes: dict[str, type[Configured]]) -> Any:
    """Return what `packed` was given; a class that is not among `classes` is refused."""
    if isinstance(value, list):
        return [unpacked(item, classes) for item in value]
    if not isinstance(value, dict):
        return value
    name, config = value.get("class_name"), value.get("config")
    if not isinstance(name, str) or name not in classes or not isinstance(config, dict):
        raise ValueError(f"wanted a class of coterie.nn or of custom_objects, got {name!r}")
    made: Any = classes[name]
    return made(**{key: unpacked(item, classes) for key, item in config.items()})
