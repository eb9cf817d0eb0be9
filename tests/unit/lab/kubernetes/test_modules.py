from __future__ import annotations

import zipfile
from pathlib import Path

from chaosjc.lab.kubernetes import modules
from chaosjc.lab.kubernetes.components import Build
from chaosjc.lab.kubernetes.modules import Go, commands, linker_flags, main_module, settings, trim

GO = Go(Path("/opt/go"), "https://proxy.example", "amd64")
KUBERNETES = """\
module k8s.io/kubernetes

go 1.24.0

godebug default=go1.24

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	github.com/some/thing => github.com/other/thing v1.2.3
)
"""
ETCD = """\
module go.etcd.io/etcd/server/v3

go 1.24

toolchain go1.24.7

require go.etcd.io/etcd/api/v3 v3.6.5

replace (
	go.etcd.io/etcd/api/v3 => ../api
)

replace go.etcd.io/etcd => ./FORBIDDEN_DEPENDENCY
"""


def test_staged_libraries_become_the_published_ones_and_other_replacements_stay() -> None:
    assert main_module(KUBERNETES, Build("k8s.io/kubernetes", "v1.34.4", {}, staging="v0.34.4")) == (
        "module lab.local/build\n\ngo 1.24.0\n\ngodebug default=go1.24\n\nrequire k8s.io/api v0.0.0\n\nreplace (\n"
        "\tk8s.io/api => k8s.io/api v0.34.4\n\tgithub.com/some/thing => github.com/other/thing v1.2.3\n)\n"
        "require k8s.io/kubernetes v1.34.4\n"
    )


def test_replacements_by_neighbouring_folders_go_and_so_does_the_toolchain() -> None:
    text = main_module(ETCD, Build("go.etcd.io/etcd/server/v3", "v3.6.5", {}))
    assert "=>" not in text
    assert "toolchain" not in text
    assert text.endswith("require go.etcd.io/etcd/server/v3 v3.6.5\n")


def test_a_module_with_an_emptied_package_is_taken_from_its_trimmed_copy() -> None:
    text = main_module("module a.b/c\n", Build("a.b/c", "v1.0.0", {}, emptied=("pkg/udp",)))
    assert text.endswith("require a.b/c v1.0.0\nreplace a.b/c => ./trimmed\n")


def test_a_trimmed_copy_has_all_but_the_emptied_packages(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for name in ("go.mod", "main.go", "pkg/udp/proxy.c", "pkg/udp/udp.go", "pkg/udp_not/x.go", "pkg/aws/x.go"):
            archive.writestr(f"a.b/c@v1.0.0/{name}", name)
    trim(tmp_path / "m.zip", ("pkg/udp", "pkg/aws"), tmp_path / "out")
    files = {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").rglob("*.*")}
    assert files == {
        "go.mod": "go.mod",
        "main.go": "main.go",
        "pkg/aws/emptied.go": "package aws\n",
        "pkg/udp/emptied.go": "package udp\n",
        "pkg/udp_not/x.go": "pkg/udp_not/x.go",
    }


def test_programs_of_one_module_are_one_build_and_a_name_that_go_would_change_is_given() -> None:
    both = Build("k8s.io/k", "v1", {"kubelet": "cmd/kubelet", "kubeadm": "cmd/kubeadm"}, variables={"a.v": "v1"})
    (command,) = commands(both, GO, Path("/out"))
    assert command == [
        *("/opt/go", "build", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags=-s -w -X a.v=v1", "-o", "/out/"),
        *("k8s.io/k/cmd/kubelet", "k8s.io/k/cmd/kubeadm"),
    ]
    (command,) = commands(Build("e.io/server/v3", "v3", {"etcd": ""}), GO, Path("/out"))
    assert command[-3:] == ["-o", "/out/etcd", "e.io/server/v3"]


def test_the_linker_sets_each_variable() -> None:
    assert linker_flags({}) == "-s -w"
    assert linker_flags({"a.b": "1", "c.d": "2"}) == "-s -w -X a.b=1 -X c.d=2"


def test_nothing_of_the_users_own_go_settings_gets_in() -> None:
    env = settings(GO, Path("/tmp/work"))
    assert (env["CGO_ENABLED"], env["GOTOOLCHAIN"], env["GOWORK"], env["GOARCH"]) == ("0", "local", "off", "amd64")
    assert env["GOPROXY"] == "https://proxy.example"


def test_root_contains_all_that_a_builder_starts() -> None:
    assert modules.contained()[:3] == ("setpriv", "--pdeathsig", "KILL")
