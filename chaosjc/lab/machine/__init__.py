"""Machines: systemd-nspawn containers with a virtual machine's manners. No OpenStack in here, the standard library
only.

Used by three: nova's driver inside OpenStack's interpreter, and `lab status` and `lab reset` in chaosjc's own.
"""
