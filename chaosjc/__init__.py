"""chaosjc: chaos engineering for JupyterCloud."""

__version__ = "0.1.0"
