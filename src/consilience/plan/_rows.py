"""Checks that there are rows: for each loss to learn from, for each metric to measure on; and that each teaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from consilience.declare import ColumnMap, Fusion, Loss, Source, SourceNode, paste
from consilience.errors import Part, Path, Related, Severity
from consilience.plan._needs import Needs, listed, union
from consilience.plan._plan_node import Edge, PlanNode
from consilience.plan._resolved import Resolved
from consilience.plan._splits import MEASURED, SPLITS, own_splits, splits_of, takes_all, tell_shares

__all__ = ["check_rows"]


@dataclass(frozen=True)
class _Given:
    """What one source gives, as far as the file and the names of its files tell."""

    name: str
    fields: frozenset[str]
    splits: frozenset[str]
    """The splits in which it may have rows."""
    surely_trains: bool
    """Whether it has rows to train, unless it has no rows at all."""


def check_rows(resolved: Resolved, edges: Iterable[Edge], doubtful: frozenset[str], fitted: Mapping[str, str]) -> None:
    """Notes losses without a training row, metrics without a row to measure on, and sources of which no loss learns.

    And modules that are `fitted` to the target of a loss, and no validation row to fit them to.

    Nothing is opened: the file and the names of the files tell. What could not be understood may be whatever is needed.
    """
    if not resolved.fusion.sources or any(path[:1] == ("sources",) and len(path) < 3 for path in resolved.lost):
        return
    given = [_given(resolved, name, node) for name, node in resolved.fusion.sources.items()]
    needs = Needs(resolved, edges)
    filled = union(one.fields for one in given)
    readers = [node for node in resolved.nodes.values() if _reads(node, needs, filled) and node.name not in doubtful]
    losses = [node for node in readers if node.section == "losses"]
    lacking: list[frozenset[str]] = []
    if not any("train" in one.splits for one in given):
        _nothing_to_train_on(resolved)
    else:
        lacking = _check_losses(resolved, losses, given, needs)
    metrics = [node for node in readers if node.section == "metrics" and needs.of(node.name) not in lacking]
    _check_metrics(resolved, metrics, given, needs)
    names = {node.name for node in losses}
    _check_fits(resolved, {name: needs.of(loss) for name, loss in fitted.items() if loss in names}, given)
    if not doubtful and len(losses) == len(_of_rows(resolved)):
        # Rows that lack what a loss at fault needs may be those that it is to have.
        _check_idle(resolved, losses, [one for one in given if not one.fields & union(lacking)], needs)
        _check_plain_sight(resolved, losses, needs)


def _of_rows(resolved: Resolved) -> list[PlanNode]:
    return [
        node for node in resolved.nodes.values() if isinstance(node.declaration, Loss) and node.declaration.value.dims
    ]


def _reads(node: PlanNode, needs: Needs, filled: frozenset[str]) -> bool:
    """Tells whether a loss or metric looks at rows, and each field that it needs is filled by some source."""
    if isinstance(node.declaration, Loss) and not node.declaration.value.dims:
        return False
    return node.section in ("losses", "metrics") and needs.of(node.name) <= filled


def _given(resolved: Resolved, name: str, node: SourceNode) -> _Given:
    path: Path = ("sources", name)
    source = resolved.others["sources"].get(name)
    own = own_splits(resolved, name, source) if isinstance(source, Source) else None
    is_lost = {path[:3] for path in resolved.lost if path[:2] == ("sources", name)}
    fields = frozenset(resolved.fusion.fields if (*path, "map") in is_lost else node.map)
    if (*path, "split") in is_lost or tell_shares(resolved, name, node.split):
        return _Given(name, fields, SPLITS, False)
    splits = splits_of(own, node.split)
    counted = [split for split, amount in node.split.items() if isinstance(amount, int)]
    return _Given(
        name, fields, splits, own is not None and "train" in splits and ("train" in node.split or not counted)
    )


def _nothing_to_train_on(resolved: Resolved) -> None:
    taken = [name for name, node in resolved.fusion.sources.items() if takes_all(node.split)]
    if taken:
        path: Path = ("sources", taken[0], "split")
        found, fix = f"{_amounts(resolved.fusion, taken[0])}: no row is left to train on", "split: {test: 0.2}"
    else:
        path, found, fix = ("sources",), "no source has rows to train on", "# add a source with rows to train on"
    resolved.fault("CN506", path, found, "at least one training row", fix)


def _amounts(fusion: Fusion, source: str) -> str:
    return ", ".join(f"{split} takes {amount}" for split, amount in fusion.sources[source].split.items())


def _check_losses(
    resolved: Resolved, losses: list[PlanNode], given: list[_Given], needs: Needs
) -> list[frozenset[str]]:
    """Notes the losses without a training row; gives the fields that they need of one."""
    at_fault: list[frozenset[str]] = []
    trained = [one for one in given if "train" in one.splits]
    for node in losses:
        wanted = needs.of(node.name)
        if any(wanted <= one.fields for one in trained):
            continue
        untrained = wanted - union(one.fields for one in trained)
        target = needs.target(node.name)
        if untrained:
            first = target.source.node if target and target.source.node in untrained else min(untrained)
            has = next(one for one in given if first in one.fields)
            path = target.key if target and target.source.node == first else ("losses", node.name)
            where = f"only the {listed(sorted(has.splits))} rows of {has.name} have" if has.splits else "no row has"
            found, expected = f"{first}, which {where}", "a field that training rows have"
            fix = f"# give {first} to rows that are trained on"
        else:
            best = max(trained, key=lambda one: len(wanted & one.fields))
            path, lacking = ("losses", node.name), min(wanted - best.fields)
            found = f"{listed(sorted(wanted))}, which no source fills for one row"
            expected = f"a source that fills all that {node.name} needs"
            fix = f"{lacking}: {lacking}  # under sources.{best.name}.map"
        resolved.fault("CN407", path, found, expected, fix)
        at_fault.append(wanted)
    return at_fault


def _check_metrics(resolved: Resolved, metrics: list[PlanNode], given: list[_Given], needs: Needs) -> None:
    measured = [one for one in given if one.splits & MEASURED]
    idle = [node for node in metrics if not any(needs.of(node.name) <= one.fields for one in measured)]
    for node in idle[:1] if not measured else idle:
        wanted = needs.of(node.name)
        one = next((one for one in given if wanted <= one.fields), given[0])
        path: Path = ("metrics",) if not measured else ("metrics", node.name)
        found = f"{listed(sorted(wanted))}, which no validation or test row has together"
        if not measured:
            found = "metrics, and no validation or test rows"
        split = {name: amount for name, amount in resolved.fusion.sources[one.name].split.items() if name != "train"}
        fix = f"split: {paste({**split, 'test': 0.2})}  # under sources.{one.name}"
        expected = "rows to measure on"
        resolved.fault("CN408", path, found, expected, fix, part=Part.KEY, severity=Severity.WARNING)


def _check_fits(resolved: Resolved, fitted: Mapping[str, frozenset[str]], given: list[_Given]) -> None:
    """Notes modules that are fitted after the training, where no validation row has the fields of the loss."""
    for name, wanted in fitted.items():
        if any("validation" in one.splits and wanted <= one.fields for one in given):
            continue
        one = next((one for one in given if wanted <= one.fields), given[0])
        dealt = resolved.fusion.sources[one.name].split
        split = {key: amount for key, amount in dealt.items() if key != "train"}
        found = f"{name}, which is fitted to validation rows, and none has {listed(sorted(wanted))}"
        fix = f"split: {paste({**split, 'validation': 0.1})}  # under sources.{one.name}"
        resolved.fault("CN438", ("modules", name), found, "validation rows to fit it to", fix)


def _check_idle(resolved: Resolved, losses: list[PlanNode], given: list[_Given], needs: Needs) -> None:
    wanted = {needs.of(node.name) for node in losses}
    if not wanted:
        return
    for one in given:
        if one.surely_trains and not any(fields <= one.fields for fields in wanted):
            least = min(wanted, key=lambda fields: (len(fields - one.fields), sorted(fields)))
            found = f"training rows with {listed(sorted(one.fields))}, of which no loss learns"
            expected = f"rows that some loss can use, such as those with {listed(sorted(least))}"
            fix = f"# give {one.name} a loss that needs no more than its rows have, or remove it"
            resolved.fault("CN409", ("sources", one.name), found, expected, fix, severity=Severity.WARNING)


def _check_plain_sight(resolved: Resolved, losses: list[PlanNode], needs: Needs) -> None:
    """Notes a target that is read from the column that the model reads too."""
    by_target: dict[str, list[PlanNode]] = {}
    for loss in losses:
        target = needs.target(loss.name)
        by_target.setdefault(target.source.node if target else "", []).append(loss)
    for name, node in resolved.fusion.sources.items():
        for answer, together in _twins(node):
            pairs = [(loss.name, (needs.read(loss.name) & together) - {answer}) for loss in by_target.get(answer, ())]
            loss_name, seen = next(((other, min(fields)) for other, fields in pairs if fields), ("", ""))
            if seen:
                column = _column(node, seen)
                resolved.fault(
                    "CN410",
                    ("sources", name, "map", answer),
                    f"the column {column}, from which {seen} is read too: {loss_name} compares it with itself",
                    "a column that the model does not read",
                    f"# read {answer} from the column of the answers",
                    severity=Severity.WARNING,
                    related=(Related(("sources", name, "map", seen), "read here"),),
                )


def _twins(node: SourceNode) -> Iterator[tuple[str, frozenset[str]]]:
    """Gives each field whose column fills others too, with all that it fills."""
    filled: dict[str, list[str]] = {}
    for field in node.map:
        filled.setdefault(_column(node, field), []).append(field)
    for fields in filled.values():
        together = frozenset(fields)
        for field in fields if len(fields) > 1 else ():
            yield field, together


def _column(node: SourceNode, field: str) -> str:
    column = node.map[field]
    return column.column if isinstance(column, ColumnMap) else column
