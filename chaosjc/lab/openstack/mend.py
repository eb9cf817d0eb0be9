"""What a control plane that died left hanging for ever, put right at the next start, before nova's API is served.

RPC lives in memory: a request that died between nova's API and its conductor, scheduler or compute is gone, while the
database says that somebody works on it. nova-compute itself resumes most of what had reached it. What remains:

- a build request without a server, or a server without a host: ends in ERROR, as when no host is found;
- a task of a server on this host that nobody resumed (suspend, resume, pause): the host tells what it became.
"""

from nova import context, exception, objects
from nova.compute import power_state, task_states, vm_states

_VM_STATE = {
    power_state.RUNNING: vm_states.ACTIVE,
    power_state.PAUSED: vm_states.PAUSED,
    power_state.SUSPENDED: vm_states.SUSPENDED,
    power_state.SHUTDOWN: vm_states.STOPPED,
}
_RESUMED_BY_COMPUTE = (task_states.DELETING, task_states.SOFT_DELETING)


def mend(compute, say):
    """`compute` is the running nova-compute's manager."""
    admin = context.get_admin_context()
    created = {}  # servers that reached a cell: id -> cell
    for cell in objects.CellMappingList.get_all(admin):
        if not cell.is_cell0():
            with context.target_cell(admin, cell) as inside:
                created |= dict.fromkeys(_mend_cell(inside, compute, say), cell)
    for request in objects.BuildRequestList.get_all(admin):
        say("mended: the request to build", request.instance_uuid, "was lost")
        if cell := created.get(request.instance_uuid):
            _map(admin, request, cell)
        else:
            _bury(admin, request)


def _map(admin, request, cell):
    """The server is in its cell already; let the API find it there."""
    mapping = objects.InstanceMapping.get_by_instance_uuid(admin, request.instance_uuid)
    mapping.cell_mapping = cell
    mapping.save()
    request.destroy()


def _bury(admin, request):
    """The server that the user was promised appears in ERROR with the reason, and can be deleted."""
    from nova.conductor import manager

    reason = exception.NovaException("the lab's control plane stopped while the server was being scheduled")
    spec = objects.RequestSpec.get_by_instance_uuid(admin, request.instance_uuid)
    manager.ComputeTaskManager()._bury_in_cell0(admin, spec, reason, build_requests=[request])


def _mend_cell(inside, compute, say):
    """Ids of all servers of the cell, after putting right those that hang."""
    instances = objects.InstanceList.get_all(inside)
    for instance in instances:
        if instance.vm_state == vm_states.BUILDING and not instance.host:
            say("mended:", instance.uuid, "had no host yet")
            _settle(instance, vm_states.ERROR)
        elif _hangs(instance, compute):
            say("mended:", instance.uuid, "was", instance.task_state)
            instance.power_state = compute.driver.get_info(instance).state
            _settle(instance, _VM_STATE[instance.power_state])
    return [instance.uuid for instance in instances]


def _hangs(instance, compute):
    return (
        instance.host == compute.host
        and instance.task_state not in (None, *_RESUMED_BY_COMPUTE)
        and instance.vm_state != vm_states.ERROR
        and compute.driver.instance_exists(instance)
    )


def _settle(instance, vm_state):
    instance.vm_state = vm_state
    instance.task_state = None
    instance.save()
