"""A stand-in cluster for tests and demos. It is not Kubernetes, and nothing but the composition root may use it."""
