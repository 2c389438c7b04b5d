"""What the sandbox's control plane does by itself: StatefulSets become pods, orphans are collected."""
