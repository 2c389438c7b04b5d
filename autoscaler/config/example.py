"""The example configuration, written from the settings' own declarations.

An example that is kept by hand falls behind: a key is missing, a default is last year's. This one
cannot, for a test holds the file to what is printed here:

    python -m autoscaler.config.example > config.example.toml
    python -m autoscaler.config.example --reference > docs/configuration.md
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap

from autoscaler.config.literal import alternatives
from autoscaler.config.reference import reference
from autoscaler.config.schema import CONTROLLER, DEFAULTS, PROMETHEUS, TARGET, Key, Table
from autoscaler.config.wording import default, limits, meaning, other_names

COLUMNS = 100

_HEADER = """\
The configuration of celery-autoscaler: every key, what it means, and its default.

Keep the lines that you change and [[targets]], and delete the rest. Behind a # is an example of a \
key that has no default, or whose default says little. Other names for a key, in the words of the \
HorizontalPodAutoscaler and of KEDA, are given as "also". An unknown key is an error.\
"""

_DEFAULTS = """\
What holds for every target that does not say otherwise: any key of a target except namespace and \
name. Its tables, such as scale_up and broker, are merged key by key; a list is replaced as a whole. A \
target that names a source of a URL replaces the source named here.\
"""

_AIRFLOW = """\
An Airflow of the official chart. Its broker needs no words: the URL is the one in the pod template.\
"""

_CELERY = "Plain Celery, with the URL of its broker in a Secret of its namespace."


def example() -> str:
    """Return the example configuration."""
    return "\n".join(
        [
            *_comment(_HEADER),
            "",
            *_section("controller", CONTROLLER, inspect.getdoc(CONTROLLER.record) or ""),
            *_section("prometheus", PROMETHEUS, inspect.getdoc(PROMETHEUS.record) or ""),
            *_section("defaults", DEFAULTS, _DEFAULTS),
            *_targets(),
        ]
    )


def _section(header: str, table: Table, words: str) -> Iterator[str]:
    """Yield a table with all of its keys, then the tables within it."""
    parts = [key.name for key, _ in table.parts()]
    yield from (*_comment(words), f"[{header}]")
    for key in table.keys:
        if key.name not in parts:
            yield from ("", *_entry(table, key))
    yield ""
    for key, inner in table.parts():
        words = inspect.getdoc(inner.record) or ""
        yield from _section(f"{header}.{key.name}", inner, words + _also(other_names(key)))


def _entry(table: Table, key: Key) -> Iterator[str]:
    """Yield one key: what it means, its default, and its example where the default says little."""
    yield from _comment(_sentence(table, key))
    if key.table is not None:
        yield from _inner_keys(key.table)
    value = default(key)
    if value:
        yield f"{key.name} = {value}"
    if key.example:
        yield f"# {key.name} = {key.example}"


def _inner_keys(table: Table) -> Iterator[str]:
    for key in table.keys:
        yield from _comment(f"{key.name}: {_sentence(table, key)}", indent="  ")


def _sentence(table: Table, key: Key) -> str:
    allowed = limits(table, key)
    return f"{meaning(key)}{f' ({allowed})' if allowed else ''}.{_also(other_names(key))}"


def _also(names: Sequence[str]) -> str:
    return f" Also: {alternatives(names)}." if names else ""


def _targets() -> Iterator[str]:
    yield from (*_comment(_AIRFLOW), "[[targets]]")
    for key in TARGET.keys:
        if not key.required:
            continue
        if DEFAULTS.key(key.name) is None:
            yield from _comment(_sentence(TARGET, key))
        yield f"{key.name} = {key.example}"
    yield from ("", *_comment(_CELERY), "[[targets]]")
    yield from ('namespace = "shop"', 'name = "celery-worker"', 'queues = ["celery", "emails"]', "")
    yield from ("[targets.broker]", 'secret = { name = "celery-broker", key = "url" }', "")


def _comment(text: str, indent: str = "") -> Iterator[str]:
    """Yield a text as a comment, with an empty line between its paragraphs."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield "#"
        yield from wrap(
            paragraph,
            COLUMNS,
            initial_indent=f"# {indent}",
            subsequent_indent=f"# {indent * 2}",
            break_long_words=False,
            break_on_hyphens=False,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the example, or the reference."""
    parser = argparse.ArgumentParser(prog="python -m autoscaler.config.example", description=main.__doc__)
    parser.add_argument("--reference", action="store_true", help="print docs/configuration.md")
    wanted = parser.parse_args(arguments)
    sys.stdout.write(reference() if wanted.reference else example())


if __name__ == "__main__":
    main()
