"""What a training has summed since its last line of log: kept with a checkpoint, so that the next line is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accelerate.utils import gather_object

if TYPE_CHECKING:
    from consilience.train._checkpoints._resumable import ResumableTrainer

__all__ = ["collect_sums", "restore_sums"]


def collect_sums(trainer: ResumableTrainer) -> dict[str, Any]:
    """Gives the sums of all processes, which all call it, and the loss of the whole run until now."""
    own = {name: value.cpu() for name, value in trainer.sums.items()}
    return {
        "step": trainer._globalstep_last_logged,
        "total": trainer._total_loss_scalar,
        "processes": gather_object([{"loss": trainer._tr_loss.cpu(), "sums": own}]),
    }


def restore_sums(trainer: ResumableTrainer, kept: dict[str, Any]) -> None:
    """Puts them back; where the number of processes is another one, the next line begins with the steps to come."""
    trainer._total_loss_scalar = kept["total"]
    if len(kept["processes"]) != trainer.args.world_size:
        rests = [float(part["loss"]) for part in kept["processes"]]
        trainer._total_loss_scalar += sum(rests) / len(rests)
        return
    own, device = kept["processes"][trainer.args.process_index], trainer.args.device
    trainer._globalstep_last_logged = kept["step"]
    trainer._tr_loss = own["loss"].to(device)
    trainer.sums.update({name: value.to(device) for name, value in own["sums"].items()})
