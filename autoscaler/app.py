"""The composition root: the only place that builds real things and knows how they fit together."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

import structlog

from autoscaler import __version__
from autoscaler.brokers.registry import BrokerRegistry
from autoscaler.brokers.workers import Workforce
from autoscaler.cluster.broker_urls import ClusterBrokerUrls
from autoscaler.cluster.client import Api
from autoscaler.cluster.cordons import ConfigMapCordons
from autoscaler.cluster.events import ApiEvents
from autoscaler.cluster.floor_notes import FloorNotes
from autoscaler.cluster.floors import FlooringScaler, restore
from autoscaler.cluster.hpas import ClusterHpas, nothing_remembered
from autoscaler.cluster.quotas import NamespaceQuotas
from autoscaler.cluster.scale import ApiScaler, DryRunScaler
from autoscaler.cluster.url_sources import UrlSources
from autoscaler.cluster.view import ClusterView
from autoscaler.config.model import Settings, deployment_namespaces
from autoscaler.contest import Contests
from autoscaler.core.model import TargetRef
from autoscaler.daemon import Daemon, Tick
from autoscaler.dry_run import ImaginedCordons
from autoscaler.metrics_sources.hints import Hints
from autoscaler.observe import slots_per_worker
from autoscaler.ports import Cordons, Orders, Reporter, Scaler
from autoscaler.ports import Workforce as AnyWorkforce
from autoscaler.reconcile import Reconciler
from autoscaler.report.events import EventReporter
from autoscaler.report.fan import Reporters
from autoscaler.report.http import ReportServer
from autoscaler.report.log import LogReporter
from autoscaler.report.metrics import MetricsReporter

SHORT_WAIT_SECONDS = 0.5
GIVING_BACK_SECONDS = 10.0
"""How long the daemon takes at its end to have workers take tasks again: less than its grace period."""

LONGEST_SILENCE_TICKS = 10
LONGEST_SILENCE_SECONDS = 30.0

log = structlog.get_logger()


class DemoUnavailable(Exception):
    """What the demo needs is not installed; the text says what."""


def demonstrate(*, as_json: bool, seed: int) -> bool:
    """Run the demo, print what came of it, and return whether every task ran once.

    Raises `DemoUnavailable`.
    """
    try:
        from autoscaler.sandbox.demo import command  # noqa: PLC0415  # heavy, and its needs an extra
    except ImportError as error:
        message = f"the demo needs more: pip install 'celery-autoscaler[demo]' ({error})"
        raise DemoUnavailable(message) from error
    return command.demonstrate(as_json=as_json, seed=seed)


class Service:
    """The daemon with everything it needs, as a context manager that starts it if it has not been."""

    def __init__(self, settings: Settings, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._api = api
        self._clock = clock
        self._targets = {target.ref: target for target in settings.targets}
        controller = settings.controller
        containers = {target.ref: target.broker.container for target in settings.targets}
        home = controller.namespace or api.namespace
        watched = None if controller.cluster_wide else {target.namespace for target in settings.targets}
        self._floors = None if controller.dry_run else FloorNotes(api, home, clock)
        owns = nothing_remembered if self._floors is None else self._floors.own
        self._hpas = ClusterHpas(api, watched, clock, owns)
        self._view = ClusterView(
            api,
            watched,
            clock,
            pod_label_selector=controller.pod_label_selector,
            containers=containers.get,
            deployments=deployment_namespaces(settings),
            hpas=self._hpas.on,
        )
        self._quotas = NamespaceQuotas(api, watched, self._view, clock)
        self._brokers = BrokerRegistry(clock=clock)
        self._workforce = Workforce(clock)
        self._cordons = None if controller.dry_run else ConfigMapCordons(api, home, clock)
        self._sources = UrlSources(api, self._view)
        self._hints = Hints(settings.prometheus, self._sources.database, self._slots, clock)
        self._metrics = MetricsReporter(clock, dry_run=controller.dry_run)
        self._events = (
            None if controller.dry_run else ApiEvents(api, socket.gethostname(), clock, self._metrics.event)
        )
        self._daemon = self._compose()
        self._server: ReportServer | None = None

    def _compose(self) -> Daemon:
        controller = self._settings.controller
        scaler: Scaler
        cordons: Cordons
        orders: Orders
        workforce: AnyWorkforce
        if self._cordons is None or self._floors is None:
            scaler = DryRunScaler()
            cordons = orders = workforce = ImaginedCordons(self._workforce, self._clock)
        else:
            scaler = FlooringScaler(self._api, self._hpas, self._floors, ApiScaler(self._api, self._view))
            cordons = self._cordons
            orders = workforce = self._workforce
        reporters: list[Reporter] = [LogReporter(), self._metrics]
        if self._events is not None:
            reporters.append(EventReporter(self._events, self._clock, time.time))
        reporter = Reporters(*reporters)
        contests = Contests(self._quotas, self._targets, self._clock)
        return Daemon(
            controller,
            [
                Reconciler(
                    target,
                    target.policy(controller.poll_interval_seconds),
                    cluster=self._view,
                    workforce=workforce,
                    hints=self._hints,
                    scaler=scaler,
                    orders=orders,
                    cordons=cordons,
                    contests=contests,
                    reporter=reporter,
                    clock=self._clock,
                    wall=time.time,
                )
                for target in self._settings.targets
            ],
            urls=ClusterBrokerUrls(self._sources, self._clock),
            brokers=self._brokers,
            reporter=reporter,
            clock=self._clock,
        )

    def __enter__(self) -> Service:
        if self._server is None:
            self.start()
        return self

    def start(self) -> None:
        """Serve metrics and probes, and begin to watch the cluster.

        Raises OSError where the address for metrics and probes cannot be had.
        """
        controller = self._settings.controller
        self._server = ReportServer(
            controller.http_host,
            controller.http_port,
            self._metrics.registry,
            {"/healthz": self.unhealthy, "/readyz": self.unready},
        )
        self._view.start()
        self._hpas.start()
        self._quotas.start()
        if self._cordons is not None:
            self._cordons.start()
        if self._floors is not None:
            self._floors.start()
        if self._events is not None:
            self._events.start()
        self._hints.start()
        self._hints.watch(self._settings.targets)

    def _slots(self, ref: TargetRef) -> int | None:
        """Return the slots per worker of a target, None while it is not to be seen."""
        workers = self._view.worker_set(ref).value
        if workers is None:
            return None
        return slots_per_worker(self._targets[ref], workers, self._workforce.slots(ref)).value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
        self._daemon.close()
        if self._events is not None:
            self._events.stop()
        if self._cordons is not None:
            self._cordons.stop()
        if self._floors is not None:
            self._floors.stop()
        self._hpas.stop()
        self._hints.close()
        self._workforce.close()
        self._brokers.close()
        self._quotas.stop()
        self._view.stop()
        if self._server is not None:
            self._server.close()

    def _give_back(self) -> None:
        """Leave nothing behind that is as it is because of us, as far as there is time.

        No worker is to be left that takes no tasks, and no minimum of an HPA that its user did not choose.
        """
        if self._cordons is None or self._server is None:
            return
        left = self._daemon.give_back(GIVING_BACK_SECONDS)
        if left:
            log.warning(
                "ended before every worker took tasks again: the next start sees to them", workers=left
            )
        for kept in self._floors.all() if self._floors is not None else ():
            log.warning(
                f"{kept}: ended without restoring its own minReplicas {kept.own}, as workers are busy: the "
                "next start takes it up, autoscaler release restores it",
                target=str(kept.target),
            )

    @property
    def port(self) -> int:
        """The port of metrics and probes, 0 while they are not served."""
        return self._server.port if self._server is not None else 0

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set, finishing the tick at hand.

        The first tick waits for the cluster's first lists, but no longer than for one answer of the API
        server: what has not been listed by then is reported as unseen.
        """
        self._announce()
        deadline = self._clock() + self._settings.controller.api_timeout_seconds
        while not stop.is_set() and self._clock() < deadline:
            if self._view.wait_settled(SHORT_WAIT_SECONDS, self._clock):
                break
        self._hpas.wait_settled(max(0.0, deadline - self._clock()), self._clock)
        self._quotas.wait_settled(max(0.0, deadline - self._clock()))
        self._look_for_strays(max(0.0, deadline - self._clock()))
        self._daemon.run(stop, self._metrics.ticked)
        log.info("stopped")

    def run_once(self) -> Tick:
        """Tick once, with time for everything to answer, and return how it went."""
        self._announce()
        patience = self._settings.controller.api_timeout_seconds
        self._view.wait_settled(patience, self._clock)
        self._hpas.wait_settled(patience, self._clock)
        self._quotas.wait_settled(patience)
        self._look_for_strays(patience)
        return self._daemon.look_once(patience)

    def _look_for_strays(self, seconds: float) -> None:
        """See to what was left behind by targets that are configured no more.

        Of workers that take no tasks because of us people are told; minimums of HPAs are restored.
        """
        if self._cordons is None or not self._cordons.wait_settled(seconds):
            return
        for target in self._cordons.strays(self._targets):
            log.warning(
                f"{target}: workers were told to take no tasks and are not given their queues back, since it "
                "is not among the targets",
                target=target,
            )
        if self._floors is not None and self._floors.wait_settled(seconds):
            for kept in self._floors.strays(self._targets):
                what = restore(self._api, self._floors, kept)
                log.log(logging.INFO if what.done else logging.WARNING, what.message, target=str(kept.target))

    def _announce(self) -> None:
        controller = self._settings.controller
        effect = "dry run: nothing is written" if controller.dry_run else "live"
        log.info(
            f"started, {effect}",
            targets=len(self._settings.targets),
            poll_interval_seconds=controller.poll_interval_seconds,
            version=__version__,
            cluster=self._api.host,
            dry_run=controller.dry_run,
        )

    def unhealthy(self) -> str:
        """Return what is wrong with the loop, empty while it ticks or waits for the first lists."""
        finished = self._daemon.finished_at
        allowed = max(
            LONGEST_SILENCE_SECONDS, LONGEST_SILENCE_TICKS * self._settings.controller.poll_interval_seconds
        )
        if finished is not None and self._clock() - finished > allowed:
            return f"the last tick ended {self._clock() - finished:.0f} s ago"
        return ""

    def unready(self) -> str:
        """Return what is missing to do the work, empty when nothing is."""
        if self._view.trouble:
            return f"the cluster has not been listed: {self._view.trouble}"
        if self._daemon.finished_at is None:
            return "no tick has ended yet"
        return self.unhealthy()
