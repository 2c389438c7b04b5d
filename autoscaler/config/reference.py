"""The reference of the configuration in Markdown, from the settings' own declarations."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from autoscaler.config.describe import Summary, TargetSummary
from autoscaler.config.findings import FindingSummary, LookSummary, TargetFindings
from autoscaler.config.rules import FILE_RULES, TARGET_RULES, has_one_url_source
from autoscaler.config.schema import CONTROLLER, PROMETHEUS, TARGET, Key, Table
from autoscaler.config.wording import default, kind, limits, meaning, other_names

_INTRODUCTION = """\
# Configuration

One TOML file; [`config.example.toml`](../config.example.toml) shows every key with its default. This
page is printed by `python -m autoscaler.config.example --reference`: change the declarations in
`autoscaler/config/`, not the page.

```toml
[controller]                # the daemon itself
dry_run = true

[defaults]                  # any key of a target except namespace and name
max_replicas = 20

[[targets]]                 # one for each worker StatefulSet
namespace = "data"
name = "airflow-worker"
queues = ["default"]
```

## How a file is read

- It is UTF-8 and not larger than 1 MiB, as a ConfigMap is.
- What a target does not say is taken from `[defaults]`, and what that does not say from the tables
  below. Its tables, such as `scale_up` and `broker`, are merged key by key; a list, such as `queues` or
  `policies`, is replaced as a whole.
- A target that names a source of its broker's URL (`url`, `url_env`, `url_file`, `secret` or
  `url_from`) replaces the source in `[defaults]`, whichever that is. Without any, the URL is the one
  that the worker's own pod template has.
- Names of the HorizontalPodAutoscaler and of KEDA are accepted beside our own. A key given under two
  names in one table is an error.
- Values are strict: `"3"` is not a number and `1` is not true. A whole number will do for a number.
- Every error is reported at once, each with its key, its value and the rule it breaks:

  ```
  config.toml: targets[0].max_replicas (data/airflow-worker) = -1: must be at least 0
  config.toml: targets[0].tolerence (data/airflow-worker): unknown key; did you mean tolerance?
  ```

  The value of `url`, the value of an unknown key, and any text that could be a URL with a password
  are never shown.
- A `url` with a password in it works, but whoever may read the ConfigMap can read the password:
  prefer `secret`, or no source at all.
"""
_HEADINGS = ("Key", "Value", "Default", "Allowed", "Meaning", "Other names")

_RULES = """\
## Between keys

These are checked after `[defaults]` have been merged in.
"""

_SUMMARY = """\
## What `autoscaler check --offline --json` prints

One object that says what the configuration means. Secrets are no part of it.
"""

_FINDINGS = """\
## What `autoscaler check --json` adds

Without `--offline` the cluster and the workers are looked at too, where the cluster can be reached, and
the object says what was found. Risks do not change the exit status.
"""


def reference() -> str:
    """Return docs/configuration.md."""
    rules = [has_one_url_source, *TARGET_RULES, *FILE_RULES]
    return "\n".join(
        [
            _INTRODUCTION,
            *_section("`[controller]`", CONTROLLER),
            *_section("`[prometheus]`", PROMETHEUS),
            *_section("`[[targets]]` and `[defaults]`", TARGET),
            _RULES,
            *(f"- {inspect.getdoc(rule)}" for rule in rules),
            "",
            _SUMMARY,
            *_fields(Summary, ""),
            *_fields(TargetSummary, "targets[]."),
            _FINDINGS,
            *_fields(LookSummary, ""),
            *_fields(TargetFindings, "targets[]."),
            *_fields(FindingSummary, "targets[].findings[]."),
        ]
    )


def _section(title: str, table: Table, path: str = "", level: int = 2) -> Iterator[str]:
    """Yield a table with its keys, then the tables within it. `path` leads from the title's table here."""
    yield from (f"{'#' * level} {title}", "", _unwrapped(inspect.getdoc(table.record) or ""), "")
    yield from _rows(_HEADINGS, (_row(table, key) for key in table.keys))
    for key in table.keys:
        if key.table is not None:
            inner = f"{path}{key.name}{'[]' if key.many else ''}"
            yield from _section(f"`{inner}`", key.table, f"{inner}.", level + 1)


def _row(table: Table, key: Key) -> tuple[str, ...]:
    return (
        f"`{key.name}`",
        kind(key),
        "required" if key.required else _code(default(key)) or "not set",
        limits(table, key),
        meaning(key),
        ", ".join(other_names(key, "`")),
    )


def _fields(record: type, prefix: str) -> Iterator[str]:
    rows = ((f"`{prefix}{field.name}`", field.metadata["doc"]) for field in fields(record))
    yield from _rows(("Field", "Meaning"), rows)


def _rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _line(headings)
    yield _line(["---"] * len(headings))
    yield from map(_line, rows)
    yield ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _unwrapped(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
