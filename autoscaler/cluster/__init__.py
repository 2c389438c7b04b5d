"""The cluster: what is seen of it and what is asked of it."""
