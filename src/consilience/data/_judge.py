"""Tells, from what was counted, what the data lack: rows for a loss, labels, texts, the meaning of a code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from consilience.data._balance import lacking_classes
from consilience.data._fields import LABELLED, mapped
from consilience.data._leaks import Side, shared_texts
from consilience.data._plan import DataPlan
from consilience.data._shares import epoch_rows
from consilience.data._tables import SPLITS
from consilience.data._tally import Tally
from consilience.data._values import Rows
from consilience.declare import ColumnMap, LabelSpace, Loss, paste, show
from consilience.errors import Diagnostic, Path, Severity

__all__ = ["judge"]

_MOST_VALUES = 12
"""The labels that a fix writes out; a longer label space is better named."""
_MEASURED = ("validation", "test")
_LONGEST_EPOCH = 100_000_000
"""More rows than this an epoch has only because a source is repeated without end."""


def judge(plan: DataPlan, sides: Sequence[Side]) -> Iterator[Diagnostic]:
    """Tells what the data lack; what a source that could not be read may have is not missed."""
    tallies = [side.tally for side in sides]
    whole = {tally.source for tally in tallies if not tally.faults}
    unread = [
        frozenset(mapped(plan, name))
        for name, node in plan.fusion.sources.items()
        if name not in whole or node.streaming
    ]
    yield from shared_texts(sides)
    lacking = _lacking(plan, tallies, unread)
    if not unread:
        # Rows that lack what a loss at fault needs may be those that it is to have.
        needed = frozenset().union(*lacking.values())
        yield from _idle(plan, [tally for tally in tallies if not needed.intersection(tally.fields)])
        if not any(tally.rows("train") for tally in tallies):
            found = "no source gives rows to train" if tallies else "no source"
            yield Diagnostic("CN506", ("sources",), found, "at least one training row", "split: {test: 0.2}")
        yield from _epoch(plan, tallies)
    yield from _losses(plan, tallies, lacking)
    no_rows = list(_shares(plan, tallies))
    yield from no_rows
    if not no_rows or any(tally.rows(split) for tally in tallies for split in _MEASURED):
        yield from _metrics(plan, tallies, unread)
    yield from _labels(plan, tallies)
    yield from lacking_classes(plan, tallies)
    for tally in tallies:
        yield from _codes(plan, tally)
        yield from _empty(tally)


def _epoch(plan: DataPlan, tallies: Sequence[Tally]) -> Iterator[Diagnostic]:
    """Tells of an epoch that has far more rows than there are, and of one of which no batch is full and trained on."""
    train, mixing = plan.fusion.train, plan.fusion.mixing
    held = {tally.source: tally.rows("train") for tally in tallies if tally.rows("train")}
    if not held:
        return
    counts = epoch_rows(mixing, held, {name: plan.fusion.sources[name].repeat for name in held})
    rows = sum(counts.values()) if mixing.batches == "mixed" else max(counts.values())
    if mixing.by != "size" and sum(counts.values()) > max(_LONGEST_EPOCH, sum(held.values())):
        found = f"an epoch of {sum(counts.values()):,} rows, of sources that have {sum(held.values()):,}"
        fix = f"rows: {sum(held.values())}"
        yield Diagnostic("CN532", ("mixing",), found, f"at most {_LONGEST_EPOCH:,} rows, or the key rows", fix)
    elif train.arguments.get("dataloader_drop_last") is True and 0 < rows < train.batch_size:
        found = f"{rows} training rows, of which no batch of {train.batch_size} is full: no step would be taken"
        path: Path = ("train", "dataloader_drop_last")
        yield Diagnostic("CN506", path, found, "rows for one full batch", "dataloader_drop_last: false")


def _of_rows(plan: DataPlan) -> dict[str, frozenset[str]]:
    """Gives what each loss that looks at rows needs of one."""
    return {
        node.name: plan.fields_behind(node.name)
        for node in plan.of("losses")
        if isinstance(node.declaration, Loss) and node.declaration.value.dims
    }


def _usable(tallies: Iterable[Tally], splits: Iterable[str], wanted: frozenset[str]) -> int:
    return sum(
        count
        for tally in tallies
        for split in splits
        for held, count in tally.present.get(split, {}).items()
        if wanted <= held
    )


def _lacking(plan: DataPlan, tallies: Sequence[Tally], unread: list[frozenset[str]]) -> dict[str, frozenset[str]]:
    """Gives the losses for which there is no training row, with what they need of one."""
    if not any(tally.rows("train") for tally in tallies):
        return {}
    return {
        name: wanted
        for name, wanted in _of_rows(plan).items()
        if not _usable(tallies, ["train"], wanted) and not any(wanted <= fields for fields in unread)
    }


def _losses(plan: DataPlan, tallies: Sequence[Tally], lacking: Mapping[str, frozenset[str]]) -> Iterator[Diagnostic]:
    total = sum(tally.rows("train") for tally in tallies)
    for name, wanted in lacking.items():
        path: Path = ("losses", name, "target") if plan.fusion.losses[name].target else ("losses", name)
        found = f"{_listed(sorted(wanted))}: none of {total} training rows has {'both' if len(wanted) == 2 else 'all'}"
        if len(wanted) == 1:
            found = f"{min(wanted)}: none of {total} training rows has it"
        expected = f"a training row with all that {name} needs"
        yield Diagnostic("CN407", path, found, expected, "# fill these fields in rows that are trained on")


def _metrics(plan: DataPlan, tallies: Sequence[Tally], unread: list[frozenset[str]]) -> Iterator[Diagnostic]:
    for node in plan.of("metrics"):
        wanted = plan.fields_behind(node.name)
        if _usable(tallies, _MEASURED, wanted) or any(wanted <= fields for fields in unread):
            continue
        total = sum(tally.rows(split) for tally in tallies for split in _MEASURED)
        path: Path = ("metrics", node.name) if total else ("metrics",)
        found = f"{_listed(sorted(wanted))}: none of {total} validation and test rows has all"
        fix = "# fill these fields in validation or test rows"
        yield _warning(
            "CN408", path, found if total else "metrics, and no validation or test rows", "rows to measure on", fix
        )
        if not total:
            return


def _shares(plan: DataPlan, tallies: Sequence[Tally]) -> Iterator[Diagnostic]:
    """Tells of shares so small that they are no row of a source; one row is offered as long as one is left to train."""
    for tally in tallies:
        rows, spare = _count(tally.rows("train"), "row"), tally.rows("train") - 1
        for split, amount in plan.fusion.sources[tally.source].split.items():
            if split in _MEASURED and isinstance(amount, float) and amount > 0 and not tally.rows(split):
                spare -= 1
                found = f"{amount} of the rows is no row, and leaves {rows} to train"
                fix = f"{split}: 1" if spare >= 0 else "# add rows, or take the share out"
                path = ("sources", tally.source, "split", split)
                yield _warning("CN505", path, found, "a share of one row at least, or a number of rows", fix)


def _idle(plan: DataPlan, tallies: Sequence[Tally]) -> Iterator[Diagnostic]:
    needs = [wanted for wanted in _of_rows(plan).values() if wanted]
    for tally in tallies if needs and len(needs) == len(_of_rows(plan)) else ():
        rows = tally.rows("train")
        if rows and not any(_usable([tally], ["train"], wanted) for wanted in needs):
            found = f"{_count(rows, 'training row')}, of which no loss learns"
            fix = f"# give {tally.source} a loss that needs no more than its rows have, or remove it"
            yield _warning("CN409", ("sources", tally.source), found, "rows that some loss can use", fix)


def _labels(plan: DataPlan, tallies: Sequence[Tally]) -> Iterator[Diagnostic]:
    learnt = {field for wanted in _of_rows(plan).values() for field in wanted}
    for field, kind in plan.fields.items():
        space = plan.labels(field) if kind.word in LABELLED else None
        own = [tally.labels[field] for tally in tallies if field in tally.labels]
        if space is None or not own or (learnt and field not in learnt) or _is_unknown(plan, tallies, field):
            continue
        counts = {split: _sum(space, [one[split] for one in own if split in one]) for split in SPLITS}
        if not counts["train"].any():
            continue  # a loss without a training row: that says it all
        unseen = [index for index in range(len(space)) if not counts["train"][index]]
        surprising = [index for index in unseen if any(counts[split][index] for split in _MEASURED)]
        never = [space.labels[index] for index in unseen if index not in surprising]
        if surprising:
            yield _surprising(field, kind.word, space, counts, surprising)
        if never:
            expected, fix = "a training row for each label", f"# leave {never[0]} out, or add rows that have it"
            yield _warning("CN509", ("fields", field), f"no training row for {_some(never)}", expected, fix)


def _is_unknown(plan: DataPlan, tallies: Iterable[Tally], field: str) -> bool:
    """Tells whether some source fills a field with what could not be read."""
    read = {tally.source for tally in tallies if field not in tally.faults}
    return any(field in source.map and name not in read for name, source in plan.fusion.sources.items())


def _surprising(field: str, word: str, space: LabelSpace, counts: Mapping[str, Rows], indexes: list[int]) -> Diagnostic:
    unit = "word" if word == "token_labels" else "row"
    told = []
    for index in indexes:
        where = [_count(counts[split][index], f"{split} {unit}") for split in _MEASURED if counts[split][index]]
        told.append(f"{space.labels[index]} ({', '.join(where)})")
    found = f"no training row for {_some(told)}"
    fix = f"# add training rows of {space.labels[indexes[0]]}, or cut the splits anew"
    return _warning("CN512", ("fields", field), found, "a training row for each label that is measured", fix)


def _sum(space: LabelSpace, counts: Iterable[Rows]) -> Rows:
    return sum(counts, np.zeros(len(space), np.int64))


def _codes(plan: DataPlan, tally: Tally) -> Iterator[Diagnostic]:
    """Tells of numbers that were read as positions in a label space, though nothing says in which order they count."""
    for field, column in mapped(plan, tally.source).items():
        codes, space = sorted(tally.positions.get(field, ()), key=int), plan.labels(field)
        if not codes or space is None or column.space:
            continue
        labels = [space.labels[int(code)] for code in codes]
        found = f"column {column.column}: {_some(codes)}, read as {_some(labels)} by their order alone"
        fix = f"{field}: {_said(plan, field, column, space, codes)}"
        yield _warning(
            "CN511", ("sources", tally.source, "map", field), found, "codes whose meaning the file says", fix
        )


def _said(plan: DataPlan, field: str, column: ColumnMap, space: LabelSpace, codes: list[str]) -> str:
    """Writes the column of a field with the meaning that its codes were taken for."""
    named, keys = plan.fields[field].labels, [f"column: {column.column}"]
    if column.separator != ColumnMap.model_fields["separator"].default:
        keys.append(f"separator: {show(column.separator)}")
    if len(space) > _MOST_VALUES and isinstance(named, str):
        keys.append(f"space: {named}")
    else:
        meant = {int(code): code for code in codes}  # as they are written: 01 is not 1
        if len(space) <= _MOST_VALUES:
            meant = {index: meant.get(index, str(index)) for index in range(len(space))}
        keys.append("values: {" + ", ".join(f'"{code}": {paste(space.labels[at])}' for at, code in meant.items()) + "}")
    return "{" + ", ".join(keys) + "}"


def _empty(tally: Tally) -> Iterator[Diagnostic]:
    for split, places in tally.empty.items():
        found = f"{places.count} of {tally.rows(split)} {split} rows have no text: {places}"
        path = ("sources", tally.source, "map", tally.texts[0])
        yield _warning("CN513", path, found, "a text in each row", "# fill in these texts, or take the rows out")


def _warning(code: str, path: Path, found: str, expected: str, fix: str) -> Diagnostic:
    return Diagnostic(code, path, found, expected, fix, severity=Severity.WARNING)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
