"""The store over HTTP, as clients of Kubernetes expect it."""
