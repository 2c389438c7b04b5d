"""What the sandbox's control plane does by itself: workloads become pods, orphans are collected."""
