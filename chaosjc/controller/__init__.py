"""Experiments by themselves: when they run, and the process that runs them."""
