"""What runs inside OpenStack's own interpreter: the loader of the control plane, its plug-ins, the one-time scripts."""
