# ruff: noqa: E501 - a table of faults is read by its rows
"""Everything that can be wrong with a file, one thing at a time: the text, the key, the value and the rule."""

from __future__ import annotations

HEAD = '[[targets]]\nnamespace = "data"\nname = "worker"\n'
TARGET = HEAD + 'queues = ["default"]\n'
LABEL = "must be an RFC 1123 label: lower-case letters, digits and inner dashes, at most 63"
SUBDOMAIN = "must be an RFC 1123 subdomain: lower-case letters, digits and inner dashes, with dots between, at most 253"
POLICY = 'policies = [{ type = "Pods", value = 1, period_seconds = 60 }]'

FAULTS: dict[str, tuple[str, str, str, str]] = {
    # types
    "text for a whole number": (TARGET + 'max_replicas = "3"', "targets[0].max_replicas", '"3"', "must be a whole number, not text"),
    "truth for a whole number": (TARGET + "max_replicas = true", "targets[0].max_replicas", "true", "must be a whole number, not a truth value"),
    "fraction for a whole number": (TARGET + "max_replicas = 3.0", "targets[0].max_replicas", "3.0", "must be a whole number, not a number with a decimal point"),
    "list for a whole number": (TARGET + "max_replicas = [1, 2]", "targets[0].max_replicas", "[1, 2]", "must be a whole number, not a list"),
    "date for a number": (TARGET + "tolerance = 2024-05-01", "targets[0].tolerance", "2024-05-01", "must be a number, not a date or time"),
    "text for a number": (TARGET + 'tolerance = "0.1"', "targets[0].tolerance", '"0.1"', "must be a number, not text"),
    "truth for a number": (TARGET + "tolerance = true", "targets[0].tolerance", "true", "must be a number, not a truth value"),
    "number for truth": ("[controller]\ndry_run = 1\n" + TARGET, "controller.dry_run", "1", "must be true or false, not a whole number"),
    "text for truth": ('[controller]\ndry_run = "yes"\n' + TARGET, "controller.dry_run", '"yes"', "must be true or false, not text"),
    "number for text": (TARGET + "worker_node = 5", "targets[0].worker_node", "5", "must be text, not a whole number"),
    "text for a list": (HEAD + 'queues = "default"', "targets[0].queues", '"default"', "must be a list, not text"),
    "number in a list of texts": (HEAD + 'queues = ["a", 5]', "targets[0].queues[1]", "5", "must be text, not a whole number"),
    "text for a table": (TARGET + 'scale_up = "fast"', "targets[0].scale_up", "", "must be a table, not text"),
    "list for a table": (f"[[controller]]\n{TARGET}", "controller", "", "must be a table, not a list"),
    "table for a list of tables": ('[targets]\nnamespace = "data"', "targets", "", "must be a list of tables, each under [[targets]]"),
    "text in the list of targets": ("targets = [5]", "targets[0]", "", "must be a table, not a whole number"),
    "table for policies": (
        TARGET + "[targets.scale_up.policies]",
        "targets[0].scale_up.policies", "", "must be a list of tables, each under [[targets.scale_up.policies]]",
    ),
    "number for a secret": (TARGET + "broker.url = 5", "targets[0].broker.url", "", "must be text, not a whole number"),
    # ranges
    "not a number": (TARGET + "tolerance = nan", "targets[0].tolerance", "nan", "must be a finite number"),
    "infinite": (TARGET + "stale_after_seconds = inf", "targets[0].stale_after_seconds", "inf", "must be a finite number"),
    "below the range": (TARGET + "min_replicas = -1", "targets[0].min_replicas", "-1", "must be at least 0"),
    "below a fractional range": (TARGET + "broker.timeout_seconds = 0.01", "targets[0].broker.timeout_seconds", "0.01", "must be at least 0.05"),
    "above the range": (TARGET + "tolerance = 1.5", "targets[0].tolerance", "1.5", "must be at most 1"),
    "a port that does not exist": ("[controller]\nhttp_port = 65536\n" + TARGET, "controller.http_port", "65536", "must be at most 65535"),
    "more than 64 bits": (TARGET + "max_replicas = 9223372036854775808", "targets[0].max_replicas", "9223372036854775808", "must be at most 9223372036854775807"),
    "more bits than can be printed": (
        f"{TARGET}max_replicas = 0x{'f' * 5000}", "targets[0].max_replicas", "an integer of 20000 bits", "must be at most 9223372036854775807",
    ),
    "more than a number can be": (f"{TARGET}tolerance = 1{'0' * 400}", "targets[0].tolerance", "an integer of 1329 bits", "is too large"),
    "a window of more than an hour": (
        TARGET + "scale_down.stabilization_window_seconds = 3601", "targets[0].scale_down.stabilization_window_seconds", "3601", "must be at most 3600",
    ),
    "no slot": (TARGET + "slots_per_worker = 0", "targets[0].slots_per_worker", "0", "must be at least 1"),
    "a rate of nothing": (
        TARGET + 'scale_up.policies = [{ type = "Pods", value = 0, period_seconds = 60 }]', "targets[0].scale_up.policies[0].value", "0", "must be at least 1",
    ),
    "a choice in another case": (TARGET + 'scale_up.select_policy = "max"', "targets[0].scale_up.select_policy", '"max"', 'must be "Max", "Min" or "Disabled"'),
    "a kind that is not supported": (TARGET + 'kind = "DaemonSet"', "targets[0].kind", '"DaemonSet"', 'must be "StatefulSet" or "Deployment"'),
    "no choice at all": ("[controller]\nlog_format = 1\n" + TARGET, "controller.log_format", "1", 'must be "json" or "console"'),
    "empty text": (TARGET + 'worker_node = ""', "targets[0].worker_node", '""', "must not be empty"),
    "empty separator": (TARGET + 'broker.sep = ""', "targets[0].broker.sep", '""', "must not be empty"),
    "empty list": (HEAD + "queues = []", "targets[0].queues", "[]", "must not be empty"),
    "empty name of a queue": (HEAD + 'queues = ["a", ""]', "targets[0].queues[1]", '""', "must not be empty"),
    # rules on one value
    "a queue twice": (HEAD + 'queues = ["a", "b", "a"]', "targets[0].queues", '["a", "b", "a"]', "must name each queue once, and close each [ of a glob"),
    "a glob that is not closed": (HEAD + 'queues = ["etl-[ab"]', "targets[0].queues", '["etl-[ab"]', "must name each queue once, and close each [ of a glob"),
    "a namespace in capitals": ('[[targets]]\nnamespace = "Data"\nname = "w"\nqueues = ["a"]', "targets[0].namespace", '"Data"', LABEL),
    "a namespace with a dot": ('[[targets]]\nnamespace = "a.b"\nname = "w"\nqueues = ["a"]', "targets[0].namespace", '"a.b"', LABEL),
    "a namespace with a line's end": ('[[targets]]\nnamespace = "a\\n"\nname = "w"\nqueues = ["a"]', "targets[0].namespace", '"a\\n"', LABEL),
    "a namespace too long": (
        f'[[targets]]\nnamespace = "{"a" * 64}"\nname = "w"\nqueues = ["a"]', "targets[0].namespace", f'"{"a" * 59}…"', LABEL,
    ),
    "a name with an empty part": ('[[targets]]\nnamespace = "d"\nname = "a..b"\nqueues = ["a"]', "targets[0].name", '"a..b"', SUBDOMAIN),
    "a name with an outer dash": ('[[targets]]\nnamespace = "d"\nname = "-a"\nqueues = ["a"]', "targets[0].name", '"-a"', SUBDOMAIN),
    "a node name for all pods": (TARGET + 'worker_node = "celery@worker"', "targets[0].worker_node", '"celery@worker"', "must contain {pod}"),
    "priorities that descend": (TARGET + "broker.priority_steps = [0, 6, 3]", "targets[0].broker.priority_steps", "[0, 6, 3]", "must start with 0 and ascend, each step once"),
    "a priority twice": (TARGET + "broker.priority_steps = [0, 3, 3]", "targets[0].broker.priority_steps", "[0, 3, 3]", "must start with 0 and ascend, each step once"),
    "priorities that do not start with 0": (TARGET + "broker.priority_steps = [1, 3]", "targets[0].broker.priority_steps", "[1, 3]", "must start with 0 and ascend, each step once"),
    "no variable's name": (TARGET + 'broker.url_env = "BROKER URL"', "targets[0].broker.url_env", '"BROKER URL"', "must be the name of an environment variable"),
    "no variables' names": (TARGET + 'broker.template_env = ["A", "="]', "targets[0].broker.template_env", '["A", "="]', "must be names of environment variables"),
    "a URL for a file": (TARGET + 'broker.url_file = "redis://h"', "targets[0].broker.url_file", '"…"', "must be a path, not a URL"),
    "a container's name in capitals": (TARGET + 'broker.container = "Worker"', "targets[0].broker.container", '"Worker"', LABEL),
    "a Secret's name in capitals": (TARGET + 'broker.secret = { name = "A", key = "k" }', "targets[0].broker.secret.name", '"A"', SUBDOMAIN),
    "a Secret's key with a slash": (
        TARGET + 'broker.secret = { name = "a", key = "a/b" }', "targets[0].broker.secret.key", '"a/b"',
        "must be a key that a Secret can have: letters, digits, dashes, dots and underscores, at most 253",
    ),
    # missing
    "no namespace": ('[[targets]]\nname = "worker"\nqueues = ["a"]', "targets[0].namespace", "", "is required"),
    "no name": ('[[targets]]\nnamespace = "data"\nqueues = ["a"]', "targets[0].name", "", "is required"),
    "no queues": (HEAD, "targets[0].queues", "", "is required, here or in [defaults]"),
    "a Secret without a key": (TARGET + 'broker.secret = { name = "a" }', "targets[0].broker.secret.key", "", "is required"),
    "a policy without a period": (
        TARGET + 'scale_up.policies = [{ type = "Pods", value = 1 }]', "targets[0].scale_up.policies[0].period_seconds", "", "is required",
    ),
    "an empty file": ("", "targets", "", "at least one target is required, each under [[targets]]"),
    "an empty list of targets": ("targets = []", "targets", "", "at least one target is required, each under [[targets]]"),
    # unknown keys
    "a misspelt key": (TARGET + "max_replica = 3", "targets[0].max_replica", "", "unknown key; did you mean max_replicas?"),
    "a key with dashes": (TARGET + "max-replicas = 3", "targets[0].max-replicas", "", "unknown key; did you mean max_replicas?"),
    "an alias in another style": (TARGET + "cooldown_period = 3", "targets[0].cooldown_period", "", "unknown key; did you mean scale_down.stabilization_window_seconds?"),
    "a key like no other": (TARGET + "zzz = 3", "targets[0].zzz", "", "unknown key"),
    "a key to be quoted": (TARGET + '"a b" = 3', 'targets[0]."a b"', "", "unknown key"),
    "a misspelt table": ("[controler]\n" + TARGET, "controler", "", "unknown key; did you mean controller?"),
    "a misspelt key in a policy": (
        TARGET + 'scale_up.policies = [{ type = "Pods", value = 1, period_seconds = 60, valu = 1 }]', "targets[0].scale_up.policies[0].valu", "", "unknown key; did you mean value?",
    ),
    "the controller's key in the defaults": (
        "[defaults]\npoll_interval_seconds = 3\n" + TARGET, "defaults.poll_interval_seconds", "", "unknown key; did you mean poll_interval_seconds in [controller]?",
    ),
    "KEDA's interval on a target": (TARGET + "pollingInterval = 3", "targets[0].pollingInterval", "", "unknown key; did you mean poll_interval_seconds in [controller]?"),
    "the controller's key misspelt elsewhere": (
        TARGET + "poll_interval_second = 3", "targets[0].poll_interval_second", "", "unknown key; did you mean poll_interval_seconds in [controller]?",
    ),
    "a target's key at the top": ("max_replicas = 3\n" + TARGET, "max_replicas", "", "unknown key; did you mean max_replicas in [defaults]?"),
    "a target's key in the controller": ("[controller]\nmin_replicas = 3\n" + TARGET, "controller.min_replicas", "", "unknown key; did you mean min_replicas in [defaults]?"),
    "a target's key in its broker": (TARGET + "broker.max_replicas = 3", "targets[0].broker.max_replicas", "", "unknown key; did you mean max_replicas in [[targets]]?"),
    "the broker's key on its target": (TARGET + 'url = "redis://h"', "targets[0].url", "", "unknown key; did you mean url in [targets.broker] or url in [targets.airflow_database]?"),
    "a name in the defaults": ('[defaults]\nname = "a"\n' + TARGET, "defaults.name", "", "unknown key; did you mean name in [[targets]]?"),
    "a window on a target": (
        TARGET + "stabilization_window_seconds = 3", "targets[0].stabilization_window_seconds", "",
        "unknown key; did you mean stabilization_window_seconds in [targets.scale_up]"
        " or stabilization_window_seconds in [targets.scale_down]?",
    ),
    # two names for one key
    "a key and its alias": (
        TARGET + "maxReplicaCount = 3\nmax_replicas = 4", "targets[0].maxReplicaCount", "3", "means the same as targets[0].max_replicas: give one of the two",
    ),
    "two aliases": (
        TARGET + "maxReplicaCount = 3\nmaxReplicas = 4", "targets[0].maxReplicas", "4", "means the same as targets[0].maxReplicaCount: give one of the two",
    ),
    "a table and its alias": (
        TARGET + "scaleUp = {}\nscale_up = {}", "targets[0].scaleUp", "", "means the same as targets[0].scale_up: give one of the two",
    ),
    "an alias in a policy": (
        TARGET + 'scaleUp.policies = [{ type = "Pods", value = 1, period_seconds = 60, periodSeconds = 5 }]',
        "targets[0].scaleUp.policies[0].periodSeconds", "5", "means the same as targets[0].scaleUp.policies[0].period_seconds: give one of the two",
    ),
    "KEDA's cooldown and the window": (
        "[defaults]\ncooldownPeriod = 3\nscaleDown.stabilizationWindowSeconds = 4\n" + TARGET,
        "defaults.cooldownPeriod", "3", "means the same as defaults.scaleDown.stabilizationWindowSeconds: give one of the two",
    ),
    # between keys
    "more at least than at most": (
        TARGET + "min_replicas = 5\nmax_replicas = 3", "targets[0].min_replicas", "5", "must not be greater than max_replicas, which is 3",
    ),
    "more at least than at most by default": (TARGET + "minReplicas = 11", "targets[0].minReplicas", "11", "must not be greater than max_replicas, which is 10 by default"),
    "more at least than at most in the defaults": (
        "[defaults]\nmax_replicas = 3\n" + TARGET + "min_replicas = 5", "targets[0].min_replicas", "5", "must not be greater than max_replicas, which is 3 in [defaults]",
    ),
    "less at most than at least in the defaults": (
        "[defaults]\nmin_replicas = 5\n" + TARGET + "max_replicas = 3", "targets[0].max_replicas", "3", "must not be less than min_replicas, which is 5 in [defaults]",
    ),
    "two sources of the URL": (
        TARGET + 'broker.url_env = "A"\nbroker.secret = { name = "a", key = "k" }', "targets[0].broker", "", "names url_env and secret: give at most one source of the URL",
    ),
    "two sources in the defaults": (
        '[defaults.broker]\nurl = "redis://h"\nurl_from = "pod-template"\n' + TARGET, "defaults.broker", "", "names url and url_from: give at most one source of the URL",
    ),
    "policies of a disabled direction": (
        TARGET + f'scale_down.select_policy = "Disabled"\nscale_down.{POLICY}', "targets[0].scale_down.policies", "[{…}]", 'have no effect while select_policy is "Disabled"',
    ),
    "policies of a direction that the defaults disable": (
        '[defaults]\nscale_up.select_policy = "Disabled"\n' + TARGET + f"scale_up.{POLICY}", "targets[0].scale_up.policies", "[{…}]", 'have no effect while select_policy is "Disabled"',
    ),
    "two sources of the database's URL": (
        TARGET + 'airflow_database.url_env = "A"\nairflow_database.url_from = "pod-template"', "targets[0].airflow_database", "", "names url_env and url_from: give at most one source of the URL",
    ),
    "two hints of one name": (
        TARGET + 'hints = [{ name = "a", query = "b" }, { name = "a", query = "c" }]', "targets[0].hints", '"a"', "is the name of several hints",
    ),
    "a hint that means something else": (
        TARGET + 'hints = [{ name = "a", query = "b", means = "pods" }]', "targets[0].hints[0].means", '"pods"', 'must be "tasks", "workers" or "veto"',
    ),
    "a Prometheus without http": (
        '[prometheus]\nurl = "prometheus:9090"\n' + TARGET, "prometheus.url", '"prometheus:9090"', "must begin with http:// or https:// and name a host, but no user",
    ),
    "a header without a name": ('[prometheus]\nheaders = ["x"]\n' + TARGET, "prometheus.headers", "", "must be headers, each as in Name: value"),
    "a reserve of no resource": (TARGET + 'quota_reserve = ["5"]', "targets[0].quota_reserve", '["5"]', "must be shares such as 10%, or resources of a quota with an amount or a share, as in pods: 2, each once"),
    "two reserves of one resource": (TARGET + 'quota_reserve = ["pods: 5", "pods: 10%"]', "targets[0].quota_reserve", '["pods: 5", "pods: 10%"]', "must be shares such as 10%, or resources of a quota with an amount or a share, as in pods: 2, each once"),
    "a reserve of more than all": (TARGET + 'quota_reserve = ["pods: 101%"]', "targets[0].quota_reserve", '["pods: 101%"]', "must be shares such as 10%, or resources of a quota with an amount or a share, as in pods: 2, each once"),
    "the same target twice": (TARGET * 2, "targets[1].name", '"worker"', "is the same target as targets[0]"),
    # not even TOML
    "no value": ("a = 1\nb =\n", "config.toml", "", "is not TOML: Invalid value (at line 2, column 4)"),
    "no end": ("a = 1\nb = [1", "config.toml", "", "is not TOML: Unclosed array (at line 2, column 7, the end)"),
    "a key twice": (TARGET + "kind = 1\nkind = 2", "config.toml", "", "is not TOML: Cannot overwrite a value (at line 6, column 9, the end)"),
    "too deep": (f"a = {'[' * 5000}", "config.toml", "", "is nested too deeply"),
    "too many digits": (f"a = {'9' * 5000}", "config.toml", "", "is not TOML: it holds a number of more digits than can be read"),
}  # fmt: skip
