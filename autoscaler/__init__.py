"""celery-autoscaler: sizes Celery and Airflow workers on Kubernetes to the work that waits for them."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("celery-autoscaler")
except PackageNotFoundError:  # run from a tree that is not installed
    __version__ = "0+unknown"
