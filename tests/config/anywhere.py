"""Every place of the file that can hold a value, and a file that holds one there."""

from __future__ import annotations

from collections.abc import Iterator

from autoscaler.config.schema import FILE, Table

LISTS = ("policies", "hints")


def addresses(table: Table = FILE, path: str = "") -> Iterator[str]:
    """Yield every key of the file with its path, and for each table one that it does not have."""
    yield f"{path}zzz"
    for key in table.keys:
        yield f"{path}{key.name}"
        if key.table is not None:
            yield from addresses(key.table, f"{path}{key.name}.")


def document(path: str, value: str) -> str:
    """Return a file with a value at a path, and otherwise no more than it takes to get there."""
    *tables, last = path.split(".")
    inline = f"{{ {last} = {value} }}" if tables else value
    while len(tables) > 1:
        name = tables.pop()
        inline = f"{{ {name} = {f'[{inline}]' if name in LISTS else inline} }}"
    root = tables[0] if tables else last
    return f"{root} = {f'[{inline}]' if tables and root == 'targets' else inline}"
