"""Bindings mean here what they mean to kombu."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport.virtual.exchange import TopicExchange

from autoscaler.brokers.envelope import Route
from autoscaler.brokers.routes import KEPT_SECONDS, Binding, Routes, bindings_of

SEP = "\x06\x16"


def routes_with(*members: str, exchange: str = "x", sep: str = SEP) -> Routes:
    """Return routes that have learnt an exchange's bindings."""
    routes = Routes("app:", sep)
    talk = routes.learn({exchange}, 0.0)
    assert next(talk) == [("SMEMBERS", f"app:_kombu.binding.{exchange}")]
    with pytest.raises(StopIteration):
        talk.send([[member.encode() for member in members]])
    return routes


def member(routing_key: str, queue: str, *, topic: bool = False) -> str:
    """Return a binding as kombu keeps it."""
    pattern = TopicExchange(None).key_to_pattern(routing_key) if topic else ""
    return SEP.join([routing_key, pattern, queue])


def test_the_default_exchange_leads_to_the_queue_of_that_name() -> None:
    """Without any bindings."""
    assert Routes("", SEP).queues(Route("", "q")) == ("q",)
    assert Routes("", SEP).queues(Route("", "")) == ()


def test_a_direct_exchange_leads_to_whoever_is_bound_by_that_key() -> None:
    """Which may be several."""
    routes = routes_with(member("k", "a"), member("k", "b"), member("l", "c"))
    assert routes.queues(Route("x", "k")) == ("a", "b")
    assert routes.queues(Route("x", "l")) == ("c",)


def test_a_fanout_exchange_leads_to_all() -> None:
    """A key that nobody is bound by means just that, for all that can be told."""
    assert routes_with(member("", "a"), member("", "b")).queues(Route("x", "any")) == ("a", "b")


def test_what_is_not_bound_leads_nowhere() -> None:
    """Neither an exchange that is not known nor a key that no pattern takes."""
    assert routes_with(member("a.*", "a", topic=True)).queues(Route("x", "b.c")) == ()
    assert routes_with().queues(Route("x", "k")) == ()
    assert routes_with().queues(Route("y", "k")) == ()


WORDS = st.sampled_from(["a", "b", "*", "#", "a+b", "(", ""])


@given(st.lists(WORDS, min_size=1, max_size=4), st.lists(st.sampled_from(["a", "b", "a+b", "("]), max_size=5))
def test_a_topic_exchange_takes_what_kombu_takes(pattern: list[str], words: list[str]) -> None:
    """Compared with kombu's own matching."""
    binding_key, key = ".".join(pattern), ".".join(words)
    kombu = TopicExchange(None)
    taken = bool(kombu.lookup([(binding_key, kombu.key_to_pattern(binding_key), "q")], "x", key, None))
    assert (routes_with(member(binding_key, "q", topic=True)).queues(Route("x", key)) == ("q",)) is taken


def test_members_that_are_no_bindings_are_left_out() -> None:
    """A separator of one's own is heeded."""
    assert bindings_of([b"k::q", b"k:q", b"::", 7, b"a:p:q"], ":") == [
        Binding("k", topic=False, queue="q"),
        Binding("a", topic=True, queue="q"),
    ]


def test_bindings_are_kept_for_a_while() -> None:
    """And learnt anew after it; exchanges that are gone are forgotten."""
    routes = routes_with(member("k", "a"))
    assert list(routes.learn({"x"}, KEPT_SECONDS - 1)) == []
    talk = routes.learn({"x", "y"}, KEPT_SECONDS)
    assert [words[1] for words in next(talk)] == ["app:_kombu.binding.x", "app:_kombu.binding.y"]
    with pytest.raises(StopIteration):
        talk.send([[member("k", "b").encode()], []])
    assert routes.queues(Route("x", "k")) == ("b",)
