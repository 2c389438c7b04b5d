"""A stand-in cluster for tests and demos; it is not Kubernetes.

Only the composition root may use it.
"""
