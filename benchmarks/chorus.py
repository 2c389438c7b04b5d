"""Many Celery workers played by one process: they answer remote control and obey it, and run nothing.

    python -m benchmarks.chorus URL NODES SILENT

Names in NODES and SILENT are separated by commas. It prints a line when it listens, and ends with its
standard input. A hundred targets of real workers would not leave a machine to measure on.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.messaging import Consumer, Producer

QUEUE = "q"
PROCESSES = {"pool": {"max-concurrency": 1}, "total": {}}


class Chorus:
    """The workers of one broker."""

    def __init__(self, url: str, nodes: frozenset[str], silent: frozenset[str]) -> None:
        self._connection = Connection(url)
        self._nodes = nodes
        self._silent = silent
        self._queues = {node: {QUEUE} for node in nodes}
        channel = self._connection.channel()
        self._producer = Producer(channel, auto_declare=False)
        exchange = Exchange("celery.pidbox", "fanout", durable=False, delivery_mode="transient")
        queue = Queue("chorus.celery.pidbox", exchange, durable=False, auto_delete=True)
        self._consumer = Consumer(channel, [queue], on_message=self._hear, no_ack=True)
        self._consumer.consume()

    def sing(self, stop: threading.Event) -> None:
        """Answer until told to stop."""
        while not stop.is_set():
            try:
                self._connection.drain_events(timeout=0.2)
            except (TimeoutError, OperationalError):
                continue

    def _hear(self, message: Any) -> None:  # noqa: ANN401  # kombu has no types
        told = message.decode()
        for node in self._nodes & set(told["destination"] or ()) - self._silent:
            answer = self._answer(node, told["method"], told["arguments"])
            if told.get("reply_to"):
                self._producer.publish(
                    {node: answer},
                    exchange=told["reply_to"]["exchange"],
                    routing_key=told["reply_to"]["routing_key"],
                    headers={"ticket": told["ticket"], "clock": 1},
                    serializer="json",
                )

    def _answer(self, node: str, method: str, arguments: dict[str, str]) -> object:
        queues = self._queues[node]
        if method == "cancel_consumer":
            queues.discard(arguments["queue"])
        elif method == "add_consumer":
            queues.add(arguments["queue"])
        elif method == "stats":
            return PROCESSES
        elif method == "active_queues":
            return [{"name": queue} for queue in sorted(queues)]
        return []


def main() -> None:
    """Play the workers that are named on the command line."""
    url, nodes, silent = sys.argv[1:4]
    chorus = Chorus(url, frozenset(nodes.split(",")), frozenset(silent.split(",")))
    stop = threading.Event()
    singing = threading.Thread(target=chorus.sing, args=(stop,))
    singing.start()
    print("listening", flush=True)
    sys.stdin.read()
    stop.set()
    singing.join()


if __name__ == "__main__":
    main()
