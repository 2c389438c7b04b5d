"""Reports: logs, metrics and probes."""
