"""Does a task ever die of a scale-in? Many of them, with real brokers and workers, beside a naive one."""
