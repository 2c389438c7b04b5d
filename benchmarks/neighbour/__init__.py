"""A CPU HorizontalPodAutoscaler and the daemon on one StatefulSet of real workers: do they get along."""
