"""How a model is trained: the keys under `train:`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from consilience.declare._documented import Documented

__all__ = ["TrainSettings", "TrainingKeys"]

Decay = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
NotNegative = Annotated[float, Field(ge=0, le=1e9)]
ScheduleKey = Literal[
    "lr_end", "min_lr", "min_lr_rate", "min_lr_ratio", "num_cycles", "num_decay_steps", "power", "timescale"
]
Tracker = Literal["mlflow", "tensorboard", "wandb"]

_SYNONYMS = {
    "lr": "learning_rate",
    "lr_schedule": "lr_scheduler_type",
    "lr_scheduler": "lr_scheduler_type",
    "scheduler": "lr_scheduler_type",
    "optimizer": "optim",
    "steps": "max_steps",
    "total_steps": "max_steps",
    "num_steps": "max_steps",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "warmup": "warmup_steps",
    "warmup_ratio": "warmup_steps",
    "grad_clip": "max_grad_norm",
    "gradient_clip_val": "max_grad_norm",
    "accumulate_grad_batches": "gradient_accumulation_steps",
    "patience": "early_stopping_patience",
    "save_every": "save_steps",
    "eval_every": "eval_steps",
    "log_every": "logging_steps",
}
"""What other tools call the keys, where no letter tells which one is meant, or tells another one."""


class _Own(Documented, BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    epochs: Annotated[float, Field(gt=0, le=1e6)] = 3
    """How often the training rows are seen."""
    batch_size: Positive = 16
    """How many rows a micro-batch has in each process."""
    learning_rate: Annotated[float, Field(ge=0, le=1e3)] = 5e-5
    """The largest learning rate."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """What every random choice is drawn from."""


class TrainSettings(_Own):
    """How the model is trained; the check holds every further key to those of `TrainingKeys`."""

    model_config = ConfigDict(extra="allow")

    @property
    def arguments(self) -> dict[str, Any]:
        """The further keys, as written: transformers' `TrainingArguments` of the same names."""
        return dict(self.model_extra or {})


class TrainingKeys(_Own):
    """Every key that `train:` may have; those after `seed` are transformers' `TrainingArguments` of the same names."""

    model_config = ConfigDict(extra="forbid")
    synonyms: ClassVar[Mapping[str, str]] = _SYNONYMS

    max_steps: Positive | None = None
    """Stops after so many optimizer steps, whatever `epochs` says."""
    gradient_accumulation_steps: Positive | None = None
    """How many micro-batches make one optimizer step."""
    lr_scheduler_type: (
        Literal[
            "linear",
            "cosine",
            "cosine_with_restarts",
            "cosine_with_min_lr",
            "polynomial",
            "constant",
            "constant_with_warmup",
            "inverse_sqrt",
            "warmup_stable_decay",
        ]
        | None
    ) = None
    """How the learning rate changes after the warm-up; falls in a straight line when left out."""
    lr_scheduler_kwargs: dict[ScheduleKey, NotNegative] | None = None
    """What the schedule itself takes, such as `{num_decay_steps: 100}` for `warmup_stable_decay`."""
    warmup_steps: NotNegative | None = None
    """Over how many steps the learning rate rises; below 1, the share of all steps."""
    weight_decay: NotNegative | None = None
    """How much AdamW shrinks the weights."""
    max_grad_norm: NotNegative | None = None
    """The norm to which gradients are clipped; 1 when left out, 0 for none."""
    optim: Literal["adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop"] | None = None
    """The optimizer; torch's fused AdamW when left out."""
    adam_beta1: Decay | None = None
    """AdamW's first beta."""
    adam_beta2: Decay | None = None
    """AdamW's second beta."""
    adam_epsilon: Annotated[float, Field(gt=0)] | None = None
    """AdamW's epsilon; with 0 a parameter without a gradient would become no number."""
    bf16: bool | None = None
    """Computes in bfloat16, with float32 weights."""
    fp16: bool | None = None
    """Computes in float16, with float32 weights and scaled losses."""
    tf32: bool | None = None
    """Multiplies in TF32 on GPUs that can."""
    torch_compile: bool | None = None
    """Compiles the model with `torch.compile`."""
    torch_compile_backend: Literal["inductor", "eager", "aot_eager", "cudagraphs"] | None = None
    """What compiles; `inductor` when left out."""
    torch_compile_mode: Literal["default", "reduce-overhead", "max-autotune"] | None = None
    """How hard `inductor` tries."""
    gradient_checkpointing: bool | None = None
    """Computes activations again in the backward pass instead of keeping them: slower, in less memory."""
    use_cpu: bool | None = None
    """Trains on the CPU though there is an accelerator."""
    full_determinism: bool | None = None
    """Asks torch for deterministic algorithms, which are slower."""
    train_sampling_strategy: Literal["group_by_length", "random", "sequential"] | None = None
    """The order of the rows: batches of like length in random order when left out."""
    data_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    """What the order of the rows is drawn from; `seed` when left out."""
    dataloader_num_workers: Annotated[int, Field(ge=0, le=1024)] | None = None
    """How many processes make batches beside the training."""
    dataloader_drop_last: bool | None = None
    """Leaves out a last batch that is not full."""
    dataloader_pin_memory: bool | None = None
    """Keeps batches where a GPU reads them fast; so when there is a GPU, when left out."""
    logging_steps: Positive | None = None
    """How many steps lie between two lines of the log; 10 when left out."""
    logging_first_step: bool | None = None
    """Logs the first step too."""
    save_strategy: Literal["steps", "epoch", "no"] | None = None
    """When a checkpoint is kept: at the end of each epoch when left out, and after 15 minutes without one."""
    save_steps: Positive | None = None
    """How many steps lie between two checkpoints."""
    save_total_limit: Positive | None = None
    """How many checkpoints are kept; 2 when left out."""
    eval_strategy: Literal["epoch", "steps", "no"] | None = None
    """When the validation rows are measured; at the end of every epoch when left out."""
    eval_steps: Positive | None = None
    """How many steps lie between two measurements, with `eval_strategy: steps`; `logging_steps` when left out."""
    metric_for_best_model: Annotated[str, Field(min_length=1)] | None = None
    """The metric or loss by which the best model is told: a name of the file, or `loss` for their weighted sum."""
    greater_is_better: bool | None = None
    """Whether a larger value is a better one; what the metric itself says, when left out."""
    load_best_model_at_end: bool | None = None
    """Keeps the weights that measured best, in place of the last ones."""
    early_stopping_patience: Positive | None = None
    """After how many measurements without a better value training stops."""
    early_stopping_threshold: NotNegative | None = None
    """By how much a value must be better to count for the patience; 0 when left out."""
    report_to: list[Tracker] | None = None
    """Trackers that get every series of the log too; what they write lies in the run."""
    run_name: Annotated[str, Field(min_length=1)] | None = None
    """What trackers call the run; the name of its directory when left out."""
