"""From a file to a verdict: plan, guards, run, undo."""
