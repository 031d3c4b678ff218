"""Benchmarks: this package, a minimal integration, ChatOpenAI and a plain socket."""
