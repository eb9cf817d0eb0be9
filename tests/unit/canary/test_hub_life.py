from __future__ import annotations

from chaosjc.canary.hub_life import Life


def alive() -> Life:
    life = Life()
    assert life.step == "server"
    life.has_server("2026-01-01")
    assert life.step == "kernel"
    life.has_kernel("k1", "secret")
    assert life.step == "connection"
    life.has_connection()
    assert life.step == "cells"
    return life


def lost(life: Life) -> tuple[int, int, int]:
    return life.lost_connections, life.lost_kernels, life.lost_servers


def test_what_never_was_is_not_lost() -> None:
    life = Life()
    life.lost_server()
    life.lost_kernel()
    life.lost_connection()
    assert lost(life) == (0, 0, 0)


def test_a_lost_connection_is_made_again_to_the_same_kernel() -> None:
    life = alive()
    life.lost_connection()
    assert (life.step, life.kernel, life.secret, lost(life)) == ("connection", "k1", "secret", (1, 0, 0))
    life.lost_connection()
    assert lost(life) == (1, 0, 0)


def test_a_lost_kernel_needs_another_and_its_connection_was_not_at_fault() -> None:
    life = alive()
    life.lost_kernel()
    assert (life.step, life.secret, lost(life)) == ("kernel", "", (0, 1, 0))


def test_a_kernel_that_is_found_gone_after_its_connection_counts_for_both() -> None:
    life = alive()
    life.lost_connection()
    life.lost_kernel()
    assert (life.step, lost(life)) == ("kernel", (1, 1, 0))


def test_a_lost_server_takes_kernel_and_connection_with_it_each_once() -> None:
    life = alive()
    life.lost_connection()
    life.lost_server()
    assert (life.step, lost(life)) == ("server", (1, 1, 1))
    life.lost_server()
    assert lost(life) == (1, 1, 1)


def test_it_has_begun_once_it_was_whole() -> None:
    life = Life()
    life.has_server("")
    assert (life.began, life.step) == (False, "kernel")
    life = alive()
    life.lost_server()
    assert life.began


def test_what_becomes_of_a_server_that_is_astray_counts_for_nobody() -> None:
    life = Life()
    life.has_server("2026-01-01")
    life.has_kernel("k1", "secret", astray=True)
    life.has_connection()
    life.lost_connection()
    life.lost_kernel()
    life.lost_server()
    assert (lost(life), life.astray, life.step) == ((0, 0, 0), False, "server")


def moved(life: Life, since: float, at: float) -> None:
    life.lost_server(since)
    assert (life.step, life.move(at - 1), life.moves) == ("elsewhere", at - 1 - since, 0)
    life.moved(at)
    assert (life.step, life.moves) == ("elsewhere", 1), "what it has there must go first"
    life.came_home()


def test_a_server_that_was_lost_with_its_worker_starts_elsewhere_once_and_then_at_home() -> None:
    life = alive()
    assert life.move(90.0) == 0
    life.away = True
    moved(life, 100.0, 130.0)
    assert (life.step, life.move(999.0)) == ("server", 30)
    life.moved(999.0)
    assert (life.moves, life.move(999.0)) == (1, 30), "a second cell there is not a second move"


def test_a_server_that_was_lost_alone_starts_at_home() -> None:
    life = alive()
    life.away = True
    life.has_connection()
    life.lost_server(100.0)
    assert (life.step, life.move(999.0)) == ("server", 0)


def test_one_that_was_on_another_worker_is_not_lost_with_its_own() -> None:
    life = alive()
    life.astray = life.away = True
    life.lost_server(100.0)
    assert life.step == "server"
