"""A plan as small as the data room needs, and tables in temporary folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import datasets
import pytest

from consilience.data import Prepared, prepare
from consilience.declare import FieldType, Fusion, LabelSpace, Source
from consilience.errors import DataError
from consilience.host import Registry
from consilience.plan import PlanNode
from consilience.standard._sources import Hub, Table


@dataclass
class SmallPlan:
    fusion: Fusion
    spaces: dict[str, LabelSpace]
    registry: Registry = field(default_factory=Registry, init=False)
    sources: dict[str, Source] = field(init=False)

    def __post_init__(self) -> None:
        kinds: dict[str, type[Source]] = {"table": Table, "hub": Hub}
        context = {"base": self.fusion.base}
        self.sources = {
            name: kinds[node.use].model_validate(node.settings, context=context)
            for name, node in self.fusion.sources.items()
        }

    @property
    def fields(self) -> dict[str, FieldType]:
        return self.fusion.fields

    def labels(self, name: str) -> LabelSpace | None:
        labels = self.fields[name].labels
        return LabelSpace(name=name, labels=labels) if isinstance(labels, tuple) else self.spaces.get(labels or "")

    def label_space(self, name: str) -> LabelSpace:
        return self.spaces[name]

    def of(self, section: str) -> list[PlanNode]:
        return []

    def text_of(self, name: str) -> str | None:
        return next((field for field, kind in self.fields.items() if kind.word == "text"), None)

    def fields_behind(self, node: str) -> frozenset[str]:
        raise AssertionError(f"{node}: there is no node")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_file(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def plan_of(tmp_path: Path) -> Callable[..., SmallPlan]:
    def make(text: str, *spaces: LabelSpace) -> SmallPlan:
        fusion = Fusion.parse("consilience: 1\nname: small\n" + dedent(text), base=tmp_path)
        return SmallPlan(fusion, {space.name: space for space in spaces})

    return make


@pytest.fixture
def prepared(plan_of: Callable[..., SmallPlan]) -> Callable[..., Prepared]:
    return lambda text, *spaces: prepare(plan_of(text, *spaces))


@pytest.fixture
def fault(prepared: Callable[..., Prepared]) -> Callable[..., str]:
    """Gives the text of what `prepare` refuses."""

    def refuse(text: str, *spaces: LabelSpace) -> str:
        with pytest.raises(DataError) as caught:
            prepared(text, *spaces)
        return str(caught.value)

    return refuse
