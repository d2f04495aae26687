"""The events of a YAML text: from libyaml where that is enough, from PyYAML's own parser where every word counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["Unreadable", "exact_events", "has_quick_events", "quick_events", "stretch"]


_BARE_COMMENT = re.compile(r"[|>][-+0-9]*#")


class Unreadable(Exception):
    """The text is no YAML from an offset on."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.offset = offset


def exact_events(text: str) -> Iterator[yaml.Event]:
    """Gives the events of PyYAML's own parser, whose errors a person is told; raises Unreadable at the first."""
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except yaml.MarkedYAMLError as error:
        problem = ", ".join(part.removeprefix("found ") for part in (error.problem, error.context) if part)
        raise Unreadable(problem, (error.problem_mark or loader.get_mark()).index) from None
    except (yaml.YAMLError, ValueError, OverflowError):  # "\UFFFFFFFF", %YAML 1.<5,000 digits>
        problem = "an escape or a version whose number is too large"
        raise Unreadable(problem, loader.get_mark().index) from None


def has_quick_events(text: str) -> bool:
    """Tells whether libyaml is there, and the text holds no tab, which it takes for a space."""
    return yaml.__with_libyaml__ and "\t" not in text


def quick_events(text: str) -> Iterator[yaml.Event]:
    """Gives the events of libyaml's parser, some twenty times as fast.

    Raises Unreadable, without words for it, at what it cannot read, and at what the other parser might read otherwise.
    It keeps its levels in memory of its own: unlike the composer above it, it has no stack that could overflow.
    """
    from yaml.cyaml import CSafeLoader  # the parser below it, `yaml._yaml.CParser`, has no public name

    parser = CSafeLoader(text)
    flow = 0
    try:
        for event in iter(parser.get_event, None):
            if isinstance(event, yaml.CollectionStartEvent):
                flow += bool(flow or event.flow_style)  # whatever stands in a flow collection is one too
            elif isinstance(event, yaml.CollectionEndEvent):
                flow -= bool(flow)
            if _is_doubtful(event, text, flow > 0):
                raise Unreadable("what the parsers do not agree on", 0)
            yield event
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise Unreadable(str(error), 0) from None
    finally:
        parser.dispose()


def _is_doubtful(event: yaml.Event, text: str, in_flow: bool) -> bool:
    """Tells whether PyYAML's own parser might refuse what libyaml reads: it does in cases of these three."""
    if isinstance(event, yaml.ScalarEvent) and event.tag is None:
        if not event.style:
            return in_flow and "?" in event.value
        return event.style in "|>" and _BARE_COMMENT.match(text, text.find(event.style, stretch(event)[0])) is not None
    return isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None


def stretch(event: yaml.Event) -> tuple[int, int]:
    """Gives the offsets between which an event stands in the text."""
    start: Any = event.start_mark
    end: Any = event.end_mark
    return start.index, end.index
