"""The synthetic users, and the exporter of GlusterFS: each a process of its own, on a VM of the site.

These modules and what they import run with the VM's own Python 3.11 and prometheus-client, without pydantic or typer.
"""
