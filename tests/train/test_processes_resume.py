"""Two processes that one signal stops: both stop after the same step, and go on to an unbroken training's model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.fusion import hard_fusion

SCRIPT = """
import os, signal, sys
from pathlib import Path
from consilience.train import Interrupted, train
from consilience.train._checkpoints._survival import Survival
from tests.faults.fusion import hard_fusion

folder, rank = Path(sys.argv[1]), os.environ["RANK"]
fusion = hard_fusion(folder / "data", batch_size=2)
train(fusion, folder / "whole", progress=False)

def on_step_end(self, args, state, control, *, original=Survival.on_step_end, **others):
    if state.global_step == 3 and rank == "1":
        os.kill(os.getpid(), signal.SIGTERM)  # one process alone
    original(self, args, state, control, **others)

Survival.on_step_end, original = on_step_end, Survival.on_step_end
try:
    train(fusion, folder / "runs", progress=False)
except Interrupted as stopped:
    (folder / f"step-{rank}").write_text(str(stopped.step))
Survival.on_step_end = original
train(fusion, resume=next((folder / "runs").iterdir()), progress=False)
"""


SHARDED = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "NO_WRAP"}


@pytest.mark.slow
@pytest.mark.parametrize("launched", [{}, SHARDED], ids=["copied", "sharded"])
def test_two_processes_stop_at_one_step_and_go_on_to_the_same_model(tmp_path: Path, launched: dict[str, str]) -> None:
    """Step 4 is in the middle of the second epoch, where transformers alone would go on in the order of the first."""
    hard_fusion(tmp_path / "data")
    (tmp_path / "script.py").write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, *launcher, str(tmp_path / "script.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **launched},
    )
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"step-{rank}").read_text() for rank in (0, 1)] == ["4", "4"]
    [whole], [run] = list((tmp_path / "whole").iterdir()), list((tmp_path / "runs").iterdir())
    first, second = ((made / "model" / "model.safetensors").read_bytes() for made in (whole, run))
    assert first == second
