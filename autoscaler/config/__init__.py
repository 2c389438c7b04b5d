"""Configuration: its values, how a file becomes them, and where the file comes from."""
