"""The table that `summary` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coterie.nn._stack import Stack


def lines(model: Stack) -> list[str]:
    """Return the table: a line a layer, then the numbers of weights."""
    model._net_or_raise()
    rows = [("Layer (type)", "Output Shape", "Param #")]
    trained = 0
    for layer in model.layers:
        kind = f"{layer.name} ({type(layer).__name__})"
        rows.append((kind, str(layer.output_shape), f"{layer.count_params():,}"))
        if layer.trainable:
            trained += sum(weight.size for weight in layer._declared if not weight.is_state)
    widths = [max(len(row[j]) for row in rows) for j in range(3)]
    table = [
        f"{kind:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}"
        for kind, shape, count in rows
    ]
    rule = "=" * len(table[0])
    total = model.count_params()
    return [
        f'Model: "{model.name}"',
        table[0],
        rule,
        *table[1:],
        rule,
        f"Total params: {total:,}",
        f"Trainable params: {trained:,}",
        f"Non-trainable params: {total - trained:,}",
    ]
