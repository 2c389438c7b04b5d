"""What Airflow and Prometheus say about the demand: hints, which may raise it, explain it or veto zero."""
