"""The set-ups behind docs/demand.md."""
