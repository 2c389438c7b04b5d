"""What the sandbox's nodes do: pods become processes, or pretend to."""
