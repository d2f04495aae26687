"""Checks how sources are mixed: that the sources are there, that each has its share, that each key does something."""

from __future__ import annotations

from collections.abc import Iterator

from consilience.declare import Mixing, Source, paste
from consilience.errors import Part, Path, Severity, nearest, shortlist
from consilience.host import PLUGIN_ERRORS
from consilience.plan._resolved import Resolved
from consilience.plan._splits import SPLITS, splits_of
from consilience.plan._streams import check_streams

__all__ = ["check_mixing"]

_ENDS = ("longest", "shortest")
_READ_BY = {"proportions": "proportions", "temperature": "temperature"}
"""The keys that one way of mixing alone reads."""
_BALANCED = ("category", "categories")


def check_mixing(resolved: Resolved) -> None:
    """Notes sources that `mixing` names and that train nothing, shares that are missing, and keys that do nothing."""
    fusion = resolved.fusion
    _check_balance(resolved)
    if any(path[:1] in (("sources",), ("mixing",)) and len(path) <= 2 for path in resolved.lost):
        return  # what could not be understood may be the source that is named, or what it is named for
    trained = [name for name in fusion.sources if "train" in _splits(resolved, name)]
    check_streams(resolved, trained)
    if not fusion.sources or "mixing" not in fusion.model_fields_set or not fusion.mixing.model_fields_set:
        return
    if not trained:
        return  # and that is told
    mixing = fusion.mixing
    told = [_tell_no_source(resolved, ("proportions", name), name, trained) for name in mixing.proportions]
    if mixing.until not in _ENDS:
        told.append(_tell_no_source(resolved, ("until",), mixing.until, trained))
    if not any(told):
        _check_shares(resolved, mixing, trained)
    for path, found, fix in _idle(resolved, mixing, trained):
        expected = "a key that does something"
        resolved.fault("CN420", path, found, expected, fix, Part.KEY, severity=Severity.WARNING)


def _splits(resolved: Resolved, name: str) -> frozenset[str]:
    source = resolved.others["sources"].get(name)
    if not isinstance(source, Source):
        return SPLITS
    try:
        own = source.splits()
        known = None if own is None or isinstance(own, str) else frozenset(own)
    except PLUGIN_ERRORS:
        return SPLITS  # and that is told
    return splits_of(known, resolved.fusion.sources[name].split)


def _tell_no_source(resolved: Resolved, at: tuple[str, ...], name: str, trained: list[str]) -> bool:
    """Notes a name that is of no source that trains; tells whether it is."""
    if name in trained:
        return False
    is_end = at == ("until",)
    found = f"{name}, which has no rows to train on"
    near = None
    if name not in resolved.fusion.sources:
        found, near = f"the unknown source {name}", nearest(name, [*trained, *(_ENDS if is_end else ())])
    expected = f"one of {shortlist([*(_ENDS if is_end else ()), *trained])}"
    if is_end:
        fix = f"until: {near or 'longest'}"
    else:
        share = paste(resolved.fusion.mixing.proportions[name])
        fix = (
            f"{near}: {share}"
            if near and near not in resolved.fusion.mixing.proportions
            else f"# remove the key {name}"
        )
    part = Part.VALUE if is_end else Part.KEY
    resolved.fault("CN418", ("mixing", *at), found, expected, fix, part)
    return True


def _check_shares(resolved: Resolved, mixing: Mixing, trained: list[str]) -> None:
    if mixing.by == "proportions":
        without = [name for name in trained if name not in mixing.proportions]
        if without:
            whole = {name: mixing.proportions.get(name, 1) for name in trained}
            is_there = bool(mixing.proportions)
            path: Path = ("mixing", "proportions") if is_there else ("mixing", "by")
            found = f"no proportion for {shortlist(without)}"
            fix = f"proportions: {paste(whole)}"
            resolved.fault("CN419", path, found, "a proportion for each source that trains", fix)
    if mixing.rows is not None and mixing.rows < len(trained):
        found = f"{mixing.rows}, for {len(trained)} sources that train"
        expected = "a row of each source at least"
        resolved.fault("CN421", ("mixing", "rows"), found, expected, "# remove the key rows")


def _idle(resolved: Resolved, mixing: Mixing, trained: list[str]) -> Iterator[tuple[Path, str, str]]:
    """Gives the keys that do nothing beside the others: where, why, and what to write instead."""
    written = mixing.model_fields_set
    for key, way in _READ_BY.items():
        if key in written and mixing.by != way:
            yield ("mixing", key), f"{key} beside by: {mixing.by}, which does not read it", f"by: {way}"
    if "until" in written and mixing.by == "size":
        yield ("mixing", "until"), "until beside by: size, by which all sources end together", "# remove the key until"
    if len(trained) == 1:
        for key in ("by", "batches"):
            if key in written and getattr(mixing, key) != Mixing.model_fields[key].default:
                found = f"{key}: {getattr(mixing, key)}, and {trained[0]} alone has rows to train on"
                yield ("mixing", key), found, f"# remove the key {key}"
    for name in trained if mixing.by != "size" else ():
        if resolved.fusion.sources[name].repeat > 1:
            found = f"repeat beside by: {mixing.by}, which alone says how often {name} comes"
            yield ("sources", name, "repeat"), found, "# remove the key repeat"


def _check_balance(resolved: Resolved) -> None:
    """Notes sources whose classes cannot be balanced: a field that is not there, or that has no classes."""
    fusion = resolved.fusion
    for name, node in fusion.sources.items():
        path: Path = ("sources", name, "balance")
        if node.balance is None or path in resolved.lost or ("sources", name, "map") in resolved.lost:
            continue
        known = [field for field in node.map if field in fusion.fields and fusion.fields[field].word in _BALANCED]
        if node.balance in known or resolved.is_gone(node.balance):
            continue
        if node.balance not in node.map:
            found = f"{node.balance}, which {name} does not map"
        elif node.balance not in fusion.fields:
            continue  # and that is told
        else:
            found = f"{node.balance}, a field of {fusion.fields[node.balance].word}"
        near = nearest(node.balance, known) or (known[0] if len(known) == 1 else None)
        expected = f"a category or categories that {name} maps" + (f": {shortlist(known)}" if known else "")
        resolved.fault("CN422", path, found, expected, f"balance: {near}" if near else "# remove the key balance")
