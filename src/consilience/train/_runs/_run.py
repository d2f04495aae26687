"""A run: the directory that holds a trained model, what it was trained from, and what was measured."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilience.declare import Fusion
from consilience.errors import Diagnostic, RunError
from consilience.fuse import check_as_saved
from consilience.host import Registry
from consilience.plan import Plan

if TYPE_CHECKING:
    from consilience.fuse import FusedModel

__all__ = ["Run"]


@dataclass(frozen=True)
class Run:
    """The directory of a run: `fusion.yaml`, `plan.json`, `record.json`, `log.jsonl`, `model/`."""

    path: Path
    registry: Registry | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str], registry: Registry | None = None) -> Run:
        """Opens the directory of a finished run; raises `RunError` when it is none."""
        run = cls(Path(path), registry)
        for name in ("fusion.yaml", "record.json", "model/config.json"):
            if not (run.path / name).is_file():
                what = "no such directory" if not run.path.is_dir() else f"no {name} in it"
                fix = "consilience train FILE  # prints the directory of its run at the end"
                if (run.path / "started.json").is_file():
                    what, fix = "a run that is not finished", f"consilience train --resume {path}"
                raise RunError(Diagnostic("CN704", (), f"{path}: {what}", "the directory of a finished run", fix))
        return run

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """What the run was: versions, fingerprints, seed, device, times, results."""
        try:
            return dict(json.loads((self.path / "record.json").read_text(encoding="utf-8")))
        except (ValueError, OSError) as error:
            fault = Diagnostic(
                "CN704", (), f"{self.path / 'record.json'}: {error}", "a readable record", "# train again"
            )
            raise RunError(fault) from None

    @cached_property
    def plan(self) -> Plan:
        """The checked fusion of the run, its paths relative to where the file lay."""
        fusion = Fusion.load(self.path / "fusion.yaml", base=self.record.get("base"))
        return check_as_saved(fusion, self.path, self.registry)

    def model(self) -> FusedModel:
        """Loads the trained model."""
        from consilience.fuse import FusedModel

        model: FusedModel = FusedModel.from_pretrained(self.path / "model", registry=self.registry)
        return model

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes a JSON file of the run whole, or not at all."""
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        self._write(name, text)

    def start(self, plan: Plan) -> None:
        """Writes what the run is made from."""
        self.path.mkdir(parents=True, exist_ok=True)
        # JSON is YAML 1.2: what Python declared is read back as it was, whatever a string looks like.
        text = plan.fusion.text or json.dumps(plan.fusion.to_dict(), indent=2, ensure_ascii=False) + "\n"
        self._write("fusion.yaml", text)
        self._write("plan.json", plan.to_json() + "\n")

    def _write(self, name: str, text: str) -> None:
        staged = self.path / f".{name}.part"
        staged.write_text(text, encoding="utf-8")
        staged.replace(self.path / name)
