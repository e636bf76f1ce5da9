"""Measurements of speed and memory: `python -m bench` lists them; docs/benchmarks.md explains
them."""
