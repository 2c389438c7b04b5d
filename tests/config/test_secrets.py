"""No password is ever shown, wherever somebody has put it."""

from __future__ import annotations

import tomllib
import traceback

import pytest

from autoscaler.config.parse import ConfigInvalid, parse
from tests.config.anywhere import addresses, document

PASSWORD = "hunter2"
LEAKS = (
    f'"redis://:{PASSWORD}@h:6379/0"',
    f'"sentinel://h;sentinel://user:{PASSWORD}@h"',
    f'"redis://h/0?password={PASSWORD}"',
    f'"user:{PASSWORD}@h"',
    f'["a", "redis://:{PASSWORD}@h"]',
    f'[["redis://:{PASSWORD}@h"]]',
    f'{{ url = "redis://:{PASSWORD}@h" }}',
    f'[{{ url = "redis://:{PASSWORD}@h" }}]',
)


@pytest.mark.parametrize("value", LEAKS)
@pytest.mark.parametrize("path", list(addresses()))
def test_a_password_in_the_wrong_place_is_not_shown(path: str, value: str) -> None:
    """Not in the text, the representation or the traceback, wherever somebody has put it."""
    text = document(path, value)
    assert PASSWORD in str(tomllib.loads(text))
    with pytest.raises(ConfigInvalid) as raised:
        parse(text, "config.toml")
    error = raised.value
    shown = [str(error), repr(error), repr(error.problems), *traceback.format_exception(error)]
    assert not any(PASSWORD in text for text in shown)
    assert error.__context__ is None


@pytest.mark.parametrize(
    "text",
    [
        f'[targets.broker]\nsecret = "{PASSWORD}"',
        f'[[targets]]\nbroker = {{ secret = {{ name = "a", key = "b", value = "{PASSWORD}" }} }}',
        f'[[targets]]\nbroker = {{ urll = "{PASSWORD}" }}',
        f'[[targets]]\nbroker_password = "{PASSWORD}"',
        f'[[targets]]\nbroker = "{PASSWORD}"',
        f'"redis://:{PASSWORD}@h" = 1',
        f'a = {{ "redis://:{PASSWORD}@h" = 1, "redis://:{PASSWORD}@h" = 2 }}',
        f'["redis://:{PASSWORD}@h"]\n["redis://:{PASSWORD}@h"]',
        f'url = "redis://:{PASSWORD}@h',
        f"url = redis://:{PASSWORD}@h",
    ],
)
def test_a_password_in_a_broken_place_is_not_shown(text: str) -> None:
    """Where it takes the place of a table, in a key, or where the file is no TOML."""
    with pytest.raises(ConfigInvalid) as raised:
        parse(text)
    assert PASSWORD not in f"{raised.value}{raised.value!r}"
