"""Examines what a fusion stands on: opens every resource and source, and tells what is wrong in all of them at once.

Nothing here needs torch, and memory does not grow with the tables but for some 40 bytes a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tqdm import tqdm

from consilience.data._failed import failed
from consilience.data._fill import open_source
from consilience.data._judge import judge
from consilience.data._leaks import Side
from consilience.data._streams import open_stream
from consilience.declare import Input
from consilience.errors import DataError, DeclarationError, Diagnostic, sort_diagnostics
from consilience.host import PLUGIN_ERRORS
from consilience.plan import Plan

__all__ = ["examine"]

_SAMPLE = 1000
"""The most texts of a source that an input looks at."""
_PATIENCE = 2.0
"""The seconds after which a bar is shown."""


def examine(plan: Plan) -> tuple[Diagnostic, ...]:
    """Opens the resources and the sources of a checked fusion, and gives every error and warning, with its place.

    What the check has told already (`plan.warnings`) is not told again. A bar on a terminal's standard error tells how
    far it is, when it takes longer than two seconds.
    """
    with tqdm(desc="examining", unit="row", unit_scale=True, delay=_PATIENCE, leave=False, disable=None) as bar:
        found = [*_resources(plan, bar), *_sources(plan, bar)]
    news = [item for item in found if not any(_covers(told, item) for told in plan.warnings)]
    return tuple(sort_diagnostics(plan.fusion.locate(news)))


def _covers(told: Diagnostic, item: Diagnostic) -> bool:
    return told.code == item.code and item.path[: len(told.path)] == told.path


def _resources(plan: Plan, bar: Any) -> Iterator[Diagnostic]:
    for name, resource in plan.resources.items():
        bar.set_postfix_str(name, refresh=False)  # a refresh would not wait for the delay
        path = ("resources", name)
        try:
            for fault in resource.examine():
                yield fault.at(*path)
        except PLUGIN_ERRORS as error:
            yield failed(plan, resource, plan.fusion.resources[name].use, path, "look inside", error)


def _sources(plan: Plan, bar: Any) -> Iterator[Diagnostic]:
    sides: list[Side] = []
    for name, source in plan.sources.items():
        bar.set_postfix_str(name, refresh=False)  # a refresh would not wait for the delay
        try:
            is_streamed = plan.fusion.sources[name].streaming
            filler = open_stream(plan, name)[1] if is_streamed else open_source(plan, name)
            if filler is None:
                continue  # the rows that come first are read; what follows is not looked at
            yield from _look_inside(plan, name)
            bar.total = (bar.total or 0) + sum(len(chosen.rows) for chosen in filler.chosen.values())
            tally = filler.tally(bar.update)
            yield from [fault for told in tally.faults.values() for fault in told]
            sides.append(Side(tally, filler))
        except DataError as error:
            yield from error.diagnostics
        except PLUGIN_ERRORS as error:
            yield failed(plan, source, plan.fusion.sources[name].use, ("sources", name), "open", error)
    yield from judge(plan, sides)
    yield from _inputs(plan, sides)


def _look_inside(plan: Plan, name: str) -> list[Diagnostic]:
    source, path = plan.sources[name], ("sources", name)
    try:
        return [fault.at(*path) for fault in source.examine()]
    except PLUGIN_ERRORS as error:
        return [failed(plan, source, plan.fusion.sources[name].use, path, "look inside", error)]


def _inputs(plan: Plan, sides: Sequence[Side]) -> Iterator[Diagnostic]:
    """Lets the inputs that read texts alone look at a sample of them."""
    for node in plan.of("inputs"):
        if not isinstance(node.declaration, Input) or type(node.declaration).examine is Input.examine:
            continue
        wired = {port: refs[0].node for port, refs in plan.wiring(node.name).items()}
        if any(name not in plan.fields or plan.fields[name].word != "text" for name in wired.values()):
            continue
        sample = {port: _sample(sides, name) for port, name in wired.items()}
        try:
            yield from [fault.at("inputs", node.name) for fault in node.declaration.examine(sample)]
        except DeclarationError:
            continue  # told of the resource that it reads
        except PLUGIN_ERRORS as error:
            yield failed(plan, node.declaration, node.component, ("inputs", node.name), "look at texts with", error)


def _sample(sides: Sequence[Side], field: str) -> list[str | list[str]]:
    """Gives some texts of each source that fills a field, from all over its rows."""
    return [text for side in sides if field not in side.tally.faults for text in side.filler.sample(field, _SAMPLE)]
