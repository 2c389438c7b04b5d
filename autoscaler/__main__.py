"""Run the command line as a module: `python -m autoscaler`."""

from autoscaler.cli import main

main()
