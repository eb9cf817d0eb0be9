"""Questions to a site: what a file may ask, and how it is asked.

entry      options that all checks share
promql, http, command, vm      one module for each kind: its model, and how to ask
sources    the clients that checks ask through
registry   kind → check; entry → plan; `ask`, `backfill`, `lag`
"""
