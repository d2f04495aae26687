"""The fused model: one forward over the plan's graph, every needed node once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils.generic import ModelOutput

from consilience.declare import GradientBalancer, Loss, Many
from consilience.errors import DeclarationError, Diagnostic, RunError
from consilience.fuse._balancer import in_balancer
from consilience.fuse._build import WrongOutputs, attribute, build_nodes, node_seed
from consilience.fuse._config import FusedConfig
from consilience.fuse._counted import counts_of, rows_that_count
from consilience.fuse._files import load, relocated, write_companions
from consilience.fuse._honour import check_honour
from consilience.plan import TARGET, Plan, PlanNode, Purpose, Ref, check, objectives_of

__all__ = ["FusedModel", "FusedOutput", "Step", "fuse"]


@dataclass
class FusedOutput(ModelOutput):
    """What a forward gives: `tensors` by port (`opinion.logits`), and `losses` by name.

    A loss is one sum an example (`Float["batch"]`), or one number.
    """

    tensors: dict[str, Tensor] | None = None
    losses: dict[str, Tensor] | None = None


@dataclass(frozen=True)
class Step:
    """The call of one node: what it reads under which argument, and what it gives."""

    name: str
    arguments: tuple[tuple[str, tuple[str, ...], bool], ...]
    gives: tuple[str, ...]
    """The names of its values: `node.port` for a module, the loss's own for a loss."""
    ports: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the values that it needs."""
        return tuple(name for _, names, _ in self.arguments for name in names)


class _Nodes(nn.Module):
    """Holds the built nodes by name; any name will do, also one that a module has as an attribute."""

    def __init__(self, nodes: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._modules.update(nodes)

    def train(self, mode: bool = True) -> Self:
        """Sets the mode, past a node that is called `training`."""
        self.__dict__["training"] = mode
        for node in self.children():
            node.train(mode)
        return self

    def __getitem__(self, name: str) -> nn.Module:
        found = self._modules[name]
        assert found is not None
        return found


class FusedModel(PreTrainedModel):
    """The disciplines' modules and losses as one transformers model.

    `forward` takes a batch by name (`tokens.ids`, `sentiment`, `sentiment.present`, ...) and runs, once and in order,
    the nodes that the asked outputs need. Made by `fuse(plan)`, or by `from_pretrained`.
    """

    config_class = FusedConfig
    base_model_prefix = ""
    main_input_name = "batch"
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: FusedConfig, plan: Plan | None = None) -> None:
        super().__init__(config)
        self.plan = plan if plan is not None else check(config.to_fusion(), purpose=Purpose.USE)
        self.added_by_tuners: dict[str, int] = {}
        built = build_nodes(self.plan, self.plan.fusion.train.seed, self.added_by_tuners)
        self.nodes = _Nodes({name: module for name, module in built.items() if not self.plan.nodes[name].share})
        self.balancer = self._build_balancer()
        self._steps: dict[tuple[tuple[str, ...], frozenset[str]], list[Step]] = {}
        self._owners = {
            str(Ref(node.name, port)): node.name for node in self.plan.of("modules") for port in node.outputs
        }
        self._tied_weights_keys = self.tied_names
        self.post_init()  # type: ignore[no-untyped-call]

    def _build_balancer(self) -> nn.Module:
        declared, weighed = self.plan.balancer, tuple(node.name for node in self.plan.of("losses"))
        if isinstance(declared, GradientBalancer):
            weighed = tuple(objectives_of(self.plan, declared.per))
        with torch.random.fork_rng(devices=[]), in_balancer(self.plan, "build"):
            torch.manual_seed(node_seed(self.plan.fusion.train.seed, "objective.balance"))
            balancer = declared.build(weighed)
        if not isinstance(balancer, nn.Module):
            name = self.plan.fusion.objective.balance["use"]
            found = f"{type(balancer).__name__}, from the build of {name}"
            fix = f"# return an nn.Module from {type(self.plan.balancer).__name__}.build"
            fault = Diagnostic("CN311", ("objective", "balance"), found, "an nn.Module", fix)
            raise DeclarationError(self.plan.fusion.locate([fault]))
        return balancer

    @property
    def tied_names(self) -> dict[str, str]:
        """Gives, for each further name of a parameter that a module of a plugin holds twice, its first name."""
        first: dict[int, str] = {}
        tied: dict[str, str] = {}
        for name, parameter in self.named_parameters(remove_duplicate=False):
            if id(parameter) in first:
                tied[name] = first[id(parameter)]
            first.setdefault(id(parameter), name)
        return tied

    def get_input_embeddings(self) -> nn.Module | None:  # type: ignore[override]
        """Gives None: a fusion may have several tables of embeddings, and none of them is the model's own.

        FSDP asks for one, to shard it by itself.
        """
        return None

    def initialize_weights(self) -> None:
        """Leaves the weights as they are: every component initialises its own when it is built."""

    def train(self, mode: bool = True) -> Self:
        """Sets the mode; a module that is not trained stays in evaluation mode, without dropout."""
        super().train(mode)
        for node in self.plan.of("modules"):
            if node.tuner is not None and not node.tuner.trains and not node.share:
                self.nodes[node.name].eval()
        return self

    def forward(self, batch: Mapping[str, Tensor], outputs: Sequence[str] | None = None) -> FusedOutput:
        """Runs what the outputs need: nodes by name, the plan's answers when left out.

        A module of which the batch has an output (`encoder.pooled`) is not run, and what only it needs neither. Raises
        KeyError when the batch lacks a tensor that they need.
        """
        values: dict[str, Any] = dict(batch)
        losses: dict[str, Tensor] = {}
        for step in self.steps(tuple(outputs if outputs is not None else self.plan.answers()), self.given_by(batch)):
            given = self.run_step(step, values)
            values.update(given)
            if step.name in self.plan.fusion.losses:
                losses.update(given)
        made = {name: value for name, value in values.items() if name not in batch and name not in losses}
        return FusedOutput(tensors=made, losses=losses)

    def given_by(self, batch: Mapping[str, Tensor]) -> frozenset[str]:
        """Tells the modules of which a batch has an output already."""
        return frozenset(self._owners[name] for name in batch if name in self._owners)

    def steps(self, outputs: tuple[str, ...], given: frozenset[str] = frozenset()) -> list[Step]:
        """Gives the calls that the outputs need, in order, beside the modules that are `given`."""
        if (outputs, given) not in self._steps:
            unknown = [name for name in outputs if name not in self.plan.nodes]
            if unknown:
                raise RunError(_unknown_output(unknown[0], self.plan))
            needed = [self.plan.nodes[name] for name in self.plan.needed(outputs, given)]
            steps = [_step(self.plan, node) for node in needed if node.section in ("modules", "losses")]
            self._steps[outputs, given] = steps
        return self._steps[outputs, given]

    def run_step(self, step: Step, values: Mapping[str, Any]) -> dict[str, Tensor]:
        """Runs one node on the values before it, and names what it gives."""
        node = self.plan.nodes[step.name]
        arguments = {
            port: [values[name] for name in names] if many else values[names[0]] for port, names, many in step.arguments
        }
        if isinstance(node.declaration, Loss) and not node.declaration.value.dims:
            keys = self.plan.present_keys(node.name)
            if keys and all(key in values for key in keys):
                arguments = rows_that_count(node, arguments, self.present(node.name, values))
        try:
            given = self.nodes[node.share or node.name](**arguments)
            return _named(step, given)
        except Exception as error:
            attribute(error, self.plan, node, "forward")
            raise

    def count(self, loss: str, batch: Mapping[str, Tensor]) -> Tensor | None:
        """Counts what each example of a batch brings to a loss (`Float["batch"]`); None for a loss of one number.

        An example counts only if it has every field behind the loss. What a loss counts below 0, or not finite, is no
        number; raises `RunError` where it does not give one number an example.
        """
        node = self.plan.nodes[loss]
        assert isinstance(node.declaration, Loss)
        if not node.declaration.value.dims:
            return None
        present = self.present(loss, batch)
        target = self.plan.target_of(loss)
        counter = getattr(self.nodes[loss], "count", None)
        if counter is None or target is None:
            return present.float()
        return torch.where(present, counts_of(self.plan, node, self.nodes[loss], batch[str(target)]), 0)

    def present(self, node: str, batch: Mapping[str, Tensor]) -> Tensor:
        """Tells the examples (`Bool["batch"]`) that have all that a loss or metric needs of them."""
        keys = self.plan.present_keys(node)
        if not keys:
            first = next(iter(batch.values()))
            return torch.ones(len(first), dtype=torch.bool, device=first.device)
        masks = [batch[key] for key in keys]
        present = masks[0]
        for mask in masks[1:]:
            present = present & mask
        return present

    def save_pretrained(self, save_directory: Any, **arguments: Any) -> None:  # type: ignore[override]
        """Saves weights (safetensors), configuration, and what the resources need; the directory stands alone."""
        original, folder = self.config.fusion, Path(save_directory)
        self.config.fusion = relocated(self.plan, folder)
        try:
            # transformers would write the weights of some of its models under the names of older versions.
            super().save_pretrained(save_directory, **{"save_original_format": False, **arguments})
            write_companions(self, self.config.fusion, folder)
        finally:
            self.config.fusion = original

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *arguments: Any, **options: Any) -> Any:
        """Loads a saved fused model from a directory or a hub id, in evaluation mode.

        Takes transformers' `config`, `dtype`, `device_map` (one device), `revision`, `cache_dir`, `token` and
        `local_files_only`. Raises `RunError` when the directory is none of a fused model, or a weight is missing,
        superfluous or of another shape.
        """
        # transformers builds on the meta device and fills only what the file holds: what components compute when
        # they are built would be lost.
        loaded: FusedModel = load(pretrained_model_name_or_path, options)
        return loaded


def fuse(plan: Plan) -> FusedModel:
    """Builds the fused model of a plan and checks that every module gives what it declared."""
    model = FusedModel(FusedConfig(fusion=plan.fusion.to_dict(), architectures=["FusedModel"]), plan)
    check_honour(model, plan)
    plan.call("consilience_model_built", model=model)
    return model


def _step(plan: Plan, node: PlanNode) -> Step:
    arguments = []
    for port, refs in plan.wiring(node.name).items():
        is_many = port != TARGET and isinstance(node.inputs[port], Many)
        arguments.append((port, tuple(str(ref) for ref in refs), is_many))
    if node.section == "losses":
        return Step(node.name, tuple(arguments), (node.name,), ("value",))
    ports = tuple(node.outputs)
    return Step(node.name, tuple(arguments), tuple(str(Ref(node.name, port)) for port in ports), ports)


def _named(step: Step, given: Any) -> dict[str, Tensor]:
    if isinstance(given, Mapping):
        found = tuple(given.get(port) for port in step.ports) if len(given) == len(step.ports) else ()
    else:
        found = tuple(given) if isinstance(given, tuple | list) else (given,)
    if len(found) != len(step.gives) or not all(isinstance(value, Tensor) for value in found):
        kind = f"a mapping of {', '.join(map(str, given))}" if isinstance(given, Mapping) else type(given).__name__
        raise WrongOutputs(kind if not isinstance(given, tuple | list) else f"{kind} of {len(given)}")
    return dict(zip(step.gives, cast("tuple[Tensor, ...]", found), strict=True))


def _unknown_output(name: str, plan: Plan) -> Diagnostic:
    known: Iterable[str] = plan.answers()
    expected = f"one of {', '.join(known) or 'the modules'}"
    return Diagnostic(
        "CN702", ("outputs",), f"the unknown output {name}", expected, f"outputs: [{next(iter(known), '')}]"
    )


AutoConfig.register(FusedConfig.model_type, FusedConfig)
AutoModel.register(FusedConfig, FusedModel)
