"""celery-autoscaler: sizes Celery and Airflow workers on Kubernetes to the work that waits for them."""
