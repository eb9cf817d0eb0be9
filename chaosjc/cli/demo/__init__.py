"""`make demo`: the whole story, told with the commands that a person would type.

On a machine that can run the lab: a cloud in a box, a JupyterCloud on it, acts with known verdicts, and a controller
that goes on by itself. Elsewhere the same engine breaks a small web service, and says that this is not the lab.
"""
