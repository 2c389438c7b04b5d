"""What the stand-in cluster knows about the objects that it keeps: kinds, defaults, rules, owners."""
