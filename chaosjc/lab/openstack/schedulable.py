"""Whether servers can be scheduled: the compute host is mapped to its cell and counts as up."""

from nova import context, objects, servicegroup
from nova.objects import host_mapping


def map_hosts():
    """What `nova-manage cell_v2 discover_hosts` does."""
    host_mapping.discover_hosts(context.get_admin_context(), None, lambda *_: None)


def ready_hosts():
    admin = context.get_admin_context()
    mapped = {m.host for m in objects.HostMappingList.get_by_cell_id(admin, None)}
    group = servicegroup.API()
    ready = set()
    for cell in objects.CellMappingList.get_all(admin):
        if cell.is_cell0():
            continue
        with context.target_cell(admin, cell) as inside:
            services = objects.ServiceList.get_by_binary(inside, "nova-compute")
            ready |= {s.host for s in services if s.host in mapped and group.service_is_up(s)}
    return ready
