"""The main job on an embedded default: a day of work in about a minute, on a cluster in a folder."""
