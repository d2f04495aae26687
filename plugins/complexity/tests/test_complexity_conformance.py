"""The conformance kit on every component of complexity."""

import json
from pathlib import Path
from typing import Any

from consilience.testing import conformance


def a_table(folder: Path) -> dict[str, Any]:
    told = {"heads": [[1, 0.1], [2, 0.3]], "neurons": [[8, 0.2], [32, 0.3]]}
    (folder / "latency.json").write_text(json.dumps(told), encoding="utf-8")
    return {"path": str(folder / "latency.json")}


test_complexity = conformance(
    "complexity",
    examples={
        "complexity.sparsity": [{"keep": 0.5, "openness": 0.6}, {"gates": ["neurons", "embeddings"]}],
        "complexity.budget": [{"keep": 0.5, "openness": 0.6}, {"keep": 0.3, "measure": "parameters", "over": 4}],
        "complexity.latency_table": [a_table],
        "complexity.nuclear_norm": [{"sample": 2}],
        "complexity.spectral_norm": [{"sample": 2}],
    },
)
