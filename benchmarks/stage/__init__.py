"""What benchmarks with a real fleet share: brokers, workers in a sandbox, and evidence of every task."""
