"""The soak, in short."""
