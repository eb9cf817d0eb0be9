"""Whether a query asks only for what the register of metrics has, and asks it as that kind of metric can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser as ast

from chaosjc.names import METRICS, Metric

SCRAPED = frozenset({"vm", "role", "job", "instance"})
"""Labels that the scrape gives to every series."""
COUNTERS_ONLY = frozenset({"rate", "irate", "increase"})


def registered() -> dict[str, Metric]:
    """Every series name: a histogram has three."""
    found = {metric.name: metric for metric in METRICS}
    return found | {f"{m.name}_{part}": m for m in METRICS if m.buckets for part in ("bucket", "sum", "count")}


@dataclass(frozen=True)
class Register:
    """The metrics, and `others`: series of elsewhere with their labels."""

    others: Mapping[str, frozenset[str]]

    def problems(self, expr: str) -> list[str]:
        """What is wrong with a query, in words."""
        return list(self._walk(ast.parse(expr), inside=""))

    def _walk(self, node: ast.Expr, inside: str) -> Iterator[str]:
        match node:
            case ast.VectorSelector():
                yield from self._selector(node, inside)
            case ast.MatrixSelector():
                yield from self._selector(node.vector_selector, inside)
            case ast.Call():
                for argument in node.args:
                    yield from self._walk(argument, node.func.name)
            case ast.AggregateExpr():
                if node.modifier is not None:
                    yield from self._labels(node.expr, node.modifier.labels)
                yield from self._walk(node.expr, inside)
            case ast.BinaryExpr():
                matching = node.modifier.matching if node.modifier else None
                if matching:
                    yield from self._labels(node, matching.labels)
                yield from self._walk(node.lhs, inside)
                yield from self._walk(node.rhs, inside)
            case ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
                yield from self._walk(node.expr, inside)
            case _:
                return

    def _selector(self, node: ast.VectorSelector, inside: str) -> Iterator[str]:
        name = node.name or ""
        metric = registered().get(name)
        if metric is None and name not in self.others:
            yield f"{name or node} is not in the register"
            return
        for matcher in node.matchers.matchers:
            if matcher.name not in self._known(name):
                yield f"{name} has no label {matcher.name}"
        if inside in COUNTERS_ONLY and metric and metric.kind == "gauge":
            yield f"{inside} of the gauge {name}"
        if metric and metric.buckets and name == metric.name:
            yield f"{name} is a histogram: ask for its _bucket, _sum or _count"

    def _labels(self, node: ast.Expr, labels: list[str]) -> Iterator[str]:
        """Every selector below must have each label."""
        for name in _names(node):
            yield from (f"{name} has no label {label}" for label in labels if label not in self._known(name))

    def _known(self, name: str) -> frozenset[str]:
        metric = registered().get(name)
        if metric is None:
            return self.others.get(name, frozenset()) | SCRAPED
        return SCRAPED.union(metric.labels, ["le"] if name.endswith("_bucket") else [])


def _names(node: ast.Expr) -> Iterator[str]:
    match node:
        case ast.VectorSelector():
            yield node.name or ""
        case ast.MatrixSelector():
            yield node.vector_selector.name or ""
        case ast.Call():
            for argument in node.args:
                yield from _names(argument)
        case ast.BinaryExpr():
            yield from _names(node.lhs)
            yield from _names(node.rhs)
        case ast.AggregateExpr() | ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            yield from _names(node.expr)
        case _:
            return
