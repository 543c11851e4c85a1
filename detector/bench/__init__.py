"""Bench measurements after CWA 14747-1 and the practice of detector benches: steps in, figures with uncertainty out.

A measurement is a plan of steps for a person, and a computation over the samples of these steps. Nothing here opens a
port or draws; docs/bench.md has procedures, formulas, limits and where they come from.
"""
