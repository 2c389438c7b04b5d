"""The command line. Exit status 0: fine; 1: the answer is no; 2: wrong usage or configuration."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer

from autoscaler import __version__
from autoscaler.app import DemoUnavailable, Service, demonstrate
from autoscaler.brokers.address import parse as parse_url
from autoscaler.cluster.client import ClusterUnknown, connect
from autoscaler.cluster.named import asks_the_cluster, named
from autoscaler.cluster.rbac import NAME, ServiceAccount, render, rights
from autoscaler.config.describe import describe, summary
from autoscaler.config.findings import describe_findings, findings_fields
from autoscaler.config.model import Settings
from autoscaler.config.problem import ConfigInvalid
from autoscaler.config.source import load
from autoscaler.core.lint import Examined
from autoscaler.examine import Unreachable, examine
from autoscaler.ports import BrokerUnknown
from autoscaler.release import Unreadable, release
from autoscaler.report.log import set_up

DEFAULT_CONFIG = Path("/etc/celery-autoscaler/config.toml")

app = typer.Typer(
    name="autoscaler",
    help="Size Celery and Airflow workers on Kubernetes to the work that waits for them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="Configuration file.", envvar="AUTOSCALER_CONFIG")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KubeconfigOption = Annotated[
    Path | None, typer.Option(help="Kubeconfig to use, in place of KUBECONFIG or the pod's own account.")
]
ContextOption = Annotated[str | None, typer.Option(help="Context of the kubeconfig.")]


def main() -> None:
    """Run the command line."""
    app()


def _version(value: bool) -> None:
    if value:
        typer.echo(f"autoscaler {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and report, but write nothing.")] = False,
    once: Annotated[
        bool,
        typer.Option("--once", help="Look once and exit: 0 if all targets were seen, read and served."),
    ] = False,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Run the daemon against the cluster.

    A single look with --once may call up workers but not remove any: a drain takes longer than a look.
    """
    settings = _load(config)
    if dry_run:
        settings = replace(settings, controller=replace(settings.controller, dry_run=True))
    set_up(settings.controller.log_format, settings.controller.log_level)
    stop = threading.Event()
    if not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    try:
        api = connect(settings.controller.api_timeout_seconds, kubeconfig, context)
    except ClusterUnknown as error:
        _fail(f"no cluster: {error}")
    service = Service(settings, api)
    try:
        service.start()
    except OSError as error:
        controller = settings.controller
        where = f"{controller.http_host}:{controller.http_port}"
        _fail(f"controller.http_host, http_port: {where}: {error.strerror or error}")
    with service:
        if not once:
            service.run(stop)
            return
        tick = service.run_once()
    structlog.get_logger().info(
        "looked once",
        **{name: getattr(tick, name) for name in ("targets", "served", "unseen", "blind", "failed")},
    )
    raise typer.Exit(0 if tick.good else 1)


@app.command()
def check(
    config: ConfigOption = DEFAULT_CONFIG,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--offline",
            help="Insist on a look at the cluster, or look at the configuration alone.",
            show_default="a look at the cluster if it can be reached",
        ),
    ] = None,
    as_json: JsonOption = False,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Check the configuration, say what it means, and what to change about the targets' workers.

    The pod templates are read and the workers are asked how they are set up; nothing is written. What
    is found does not change the exit status.
    """
    settings = _load(config, as_json=as_json)
    _check_urls(settings)
    means: dict[str, Any] = {"valid": True, "problems": [], **asdict(summary(settings))}
    if not as_json:
        typer.echo(describe(settings))
    looks, trouble = ((), "") if live is False else _look(settings, kubeconfig, context)
    if live is not False:
        means = findings_fields(means, looks, trouble)
    if as_json:
        typer.echo(json.dumps(means, indent=2))
    elif looks:
        typer.echo(describe_findings(looks))
    if live and trouble:
        _fail(f"no cluster: {trouble}")
    if trouble and not as_json:
        typer.echo(f"\nthe cluster was not looked at: {trouble}")


@app.command()
def rbac(
    config: ConfigOption = DEFAULT_CONFIG,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not look into the cluster for the Secrets of pod templates.")
    ] = False,
    account: Annotated[
        str, typer.Option(help="NAMESPACE/NAME of the daemon's ServiceAccount.")
    ] = f"{NAME}/{NAME}",
    as_json: JsonOption = False,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Print the rights that the configuration calls for, ready for kubectl apply.

    Where the URL of a broker or of Airflow's database comes from the pod template, the cluster is asked
    which Secret that is; where the mode is floor, which HorizontalPodAutoscaler is meant. Exit status 1
    when one of them could not be found out: the rights printed then lack it.
    """
    settings = _load(config)
    namespace, _, name = account.partition("/")
    if not (namespace and name) or "/" in name:
        _fail(f"--account {account}: it has to be NAMESPACE/NAME")
    api, reason = None, "not looked up, --offline"
    if not offline and asks_the_cluster(settings):
        try:
            api = connect(settings.controller.api_timeout_seconds, kubeconfig, context)
        except ClusterUnknown as error:
            reason = str(error)
    found = named(settings, api, reason)
    if api is not None:
        api.close()
    for missing in found.missing:
        _warn(missing)
    documents = rights(settings, found.secrets, ServiceAccount(namespace, name), found.hpas)
    if as_json:
        typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}, indent=2))
    else:
        typer.echo(render(documents), nl=False)
    raise typer.Exit(int(bool(found.missing)))


@app.command("release")
def release_floors(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Give HorizontalPodAutoscalers their own minReplicas back, for when the daemon is taken away.

    Those that the daemon has moved (hpa = "floor") and could not restore at its end, since workers were
    busy. End the daemon first. Exit status 1 when one could not be restored.
    """
    settings = _load(config)
    try:
        with closing(connect(settings.controller.api_timeout_seconds, kubeconfig, context)) as api:
            restored = release(settings, api)
    except (ClusterUnknown, Unreadable) as error:
        _fail(str(error))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in restored], indent=2))
    else:
        typer.echo("\n".join(one.message for one in restored) or "nothing to restore")
    raise typer.Exit(0 if all(one.done for one in restored) else 1)


@app.command()
def demo(
    as_json: JsonOption = False,
    seed: Annotated[int, typer.Option(help="Which of many days to play.")] = 0,
) -> None:
    """Play a day of work in about a minute, on a cluster in a folder.

    Everything else is real: Redis, Celery workers as processes, and this very daemon. Exit status 0
    when every task ran once, nothing was killed, and the fleet is back at zero.
    """
    try:
        raise typer.Exit(0 if demonstrate(as_json=as_json, seed=seed) else 1)
    except DemoUnavailable as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _warn("interrupted")
        raise typer.Exit(130) from None


def _check_urls(settings: Settings) -> None:
    """Refuse a broker's URL that stands in the file and that no reader understands."""
    problems = []
    for target in settings.targets:
        if target.broker.url is not None:
            try:
                parse_url(target.broker.url)
            except BrokerUnknown as error:
                problems.append(f"broker.url of {target.ref}: {error}")
    if problems:
        _fail("\n".join(problems))


def _look(
    settings: Settings, kubeconfig: Path | None, context: str | None
) -> tuple[tuple[Examined, ...], str]:
    """Return what a look at the targets came to, and why there was none."""
    try:
        with closing(connect(settings.controller.api_timeout_seconds, kubeconfig, context)) as api:
            return examine(settings, api), ""
    except (ClusterUnknown, Unreachable) as error:
        return (), str(error)


def _load(config: Path, *, as_json: bool = False) -> Settings:
    try:
        return load(config)
    except ConfigInvalid as error:
        if as_json:
            problems = [asdict(problem) for problem in error.problems]
            typer.echo(json.dumps({"valid": False, "problems": problems}, indent=2))
            raise typer.Exit(2) from error
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _warn(message: str) -> None:
    typer.echo(f"autoscaler: {message}", err=True)


def _fail(message: str) -> NoReturn:
    _warn(message)
    raise typer.Exit(2)
