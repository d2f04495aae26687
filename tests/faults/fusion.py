"""A fusion of all that makes resuming hard: masking, dropout, accumulation, a learned balance, a save each step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import write_small

from consilience import Fusion

STEPS = 9


def hard_fusion(folder: Path, **train: Any) -> Fusion:
    """Writes the small fusion's data and checkpoint, and gives a fusion of 9 steps in 3 epochs on them."""
    if not (folder / "fusion.yaml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_small(folder)
    written = Fusion.load(folder / "fusion.yaml").to_dict()
    written["train"] |= {"epochs": 3, "gradient_accumulation_steps": 2, "use_cpu": True, "logging_steps": 2}
    written["train"] |= {"save_steps": 1, "save_total_limit": 2, **train}
    written["objective"] = {"balance": "uncertainty"}
    written["inputs"]["masked"] = {"use": "linguistics.mask", "in": "tokens", "rate": 0.3}
    written["modules"]["reread"] = {"share": "encoder", "in": "masked"}
    written["modules"]["words"] = {"use": "linguistics.masked_lm_head", "in": ["reread", "masked"], "tie": "encoder"}
    written["losses"]["language"] = {
        "use": "linguistics.masked_lm_loss",
        "in": "words",
        "target": "masked.labels",
        "weight": 0.1,
    }
    return Fusion(base=folder, **written)
