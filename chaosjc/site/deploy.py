"""Plan and deploy: the stages along their graph, each until nothing is left to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

from chaosjc.errors import ChaosJCError, StageError
from chaosjc.site.change import Change, concerning
from chaosjc.site.context import Answers, Context, Whole, in_parallel
from chaosjc.site.destroy import Destroy
from chaosjc.site.roles import access, backup, canary, database, kubernetes, monitoring, storage
from chaosjc.site.stages.balancer import Balancer
from chaosjc.site.stages.base import Stage
from chaosjc.site.stages.cluster import Cluster
from chaosjc.site.stages.database import HubDatabase
from chaosjc.site.stages.hosts import Hosts
from chaosjc.site.stages.hub import Hub
from chaosjc.site.stages.infra import Infra
from chaosjc.site.stages.keys import Keys
from chaosjc.site.stages.volumes import Volumes


def _finish(context: Context, vm: str) -> None:
    """All that makes a new brick VM whole, before the next one is replaced."""
    alone = replace(context, only=frozenset({vm}))
    for stage in STAGES:
        if stage.name in ("access", "bricks", "volumes"):
            _deploy_stage(alone, stage)


STAGES: tuple[Stage[Any], ...] = (
    Keys(),
    Infra(_finish),
    Balancer(),
    Hosts("access", access.contents, requires=("infra",), certifies=True),
    Hosts("bricks", storage.bricks),
    Volumes(),
    Hosts("mounts", storage.mounts, requires=("volumes",)),
    Hosts("nodes", kubernetes.nodes),
    Cluster(),
    Hosts("kubelets", kubernetes.kubelets, requires=("cluster",)),
    Hosts("backup", backup.contents),
    Hosts("database", database.contents),
    HubDatabase(),
    Hub(),
    Hosts("hub canary", canary.hub_contents, requires=("hub",)),
    Hosts("canary", canary.contents, requires=("mounts",)),
    Hosts("monitoring", monitoring.contents),
)
FIRST = ("keys", "infra", "balancer")  # they change what the cloud says
ROUNDS = 3  # mending one thing may uncover another: a rule, then the server behind it


def plan(context: Context) -> tuple[Change, ...]:
    """What a deploy would do, by what is there now; changes nothing in the cloud or on a VM."""
    context = replace(context, answers=Answers())
    results = _along_graph(lambda stage: _plan_stage(context, stage, patient=False)[1], context)
    renewed = {each.vm for each in results["infra"] if each.action in ("create", "replace")}
    # a new VM comes with everything on it: what is wrong on the old one is no change of its own
    return tuple(
        change
        for stage in STAGES
        for change in results[stage.name]
        if not (isinstance(stage, Hosts) and change.vm in renewed)
    )


def deploy(context: Context) -> tuple[Change, ...]:
    """Make the site what its file says; returns what was done. A second call does nothing.

    Raises StageError (stage, host, command, log), also when another deploy of this site is under way.
    """
    context = replace(context, whole=Whole())
    later = replace(context, answers=Answers())  # of the cloud, which is asked once more: all is there
    with context.state.writing():
        results = _along_graph(lambda stage: _deploy_stage(context if stage.name in FIRST else later, stage), context)
    return tuple(change for stage in STAGES for change in results[stage.name])


def destroy(context: Context) -> tuple[Change, ...]:
    """Delete whatever in the cloud carries the site's mark; returns what was deleted."""
    with context.state.writing():
        close_connections(context)
        done = tuple(Destroy(context).run())
        context.state.remove_sockets()
        return done


def close_connections(context: Context) -> None:
    """End the shared SSH connections, the way through the bastion last."""
    if context.state.ssh_config.exists():
        in_parallel(context.ssh.close, [each.name for each in context.site.machines])
        context.ssh.close(access.JUMP)


def _plan_stage(context: Context, stage: Stage[Any], *, patient: bool) -> tuple[Any, tuple[Change, ...]]:
    facts = stage.facts(context, patient=patient)
    return facts, concerning(stage.plan(context.site, facts), context.only)


def _deploy_stage(context: Context, stage: Stage[Any]) -> tuple[Change, ...]:
    done: list[Change] = []
    for _ in range(ROUNDS):
        context.check_cancelled()
        facts, changes = _plan_stage(context, stage, patient=True)
        if not changes:
            return tuple(done)
        again = set(changes) & set(done)
        if again:
            break
        stage.apply(context, facts, changes)
        if context.whole:
            context.whole.forget()
        done += changes
    _, left = _plan_stage(context, stage, patient=True)
    if left:
        raise StageError(
            f"{stage.name}: done, and yet not as planned: {'; '.join(_with_command(stage, each) for each in left)}",
            hint=stage.where(context, left[0]),
        )
    return tuple(done)


def _with_command(stage: Stage[Any], change: Change) -> str:
    command = stage.command(change)
    return f"{change}, after `{command}`" if command else str(change)


def _along_graph(run: Callable[[Stage[Any]], tuple[Change, ...]], context: Context) -> Mapping[str, tuple[Change, ...]]:
    """Each stage as soon as those that it requires have ended; the first failure stops the rest."""
    context.cancelled.clear()  # an earlier failure in the same context
    done: dict[str, tuple[Change, ...]] = {}
    running: dict[Future[tuple[Change, ...]], Stage[Any]] = {}
    waiting = list(STAGES)
    with ThreadPoolExecutor(len(STAGES)) as pool:
        try:
            while waiting or running:
                for stage in [each for each in waiting if done.keys() >= set(each.requires)]:
                    waiting.remove(stage)
                    running[pool.submit(run, stage)] = stage
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    stage = running.pop(future)
                    done[stage.name] = _result(stage, future)
        except BaseException:
            context.cancelled.set()  # also Ctrl-C: what is under way ends at its next step
            raise
    return done


def _result(stage: Stage[Any], future: Future[tuple[Change, ...]]) -> tuple[Change, ...]:
    try:
        return future.result()
    except StageError:
        raise
    except ChaosJCError as error:
        raise StageError(f"{stage.name}: {error.message}", hint=error.hint) from error
