"""The directory of a saved fused model: it stands alone, but for the plugins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from consilience.declare import Location, Resource, show
from consilience.errors import DeclarationError, Diagnostic, RunError
from consilience.fuse._config import FusedConfig
from consilience.fuse._provenance import fingerprints, provenance
from consilience.fuse._recorded import PLAN, RECORD, check_as_saved
from consilience.fuse._states import restore_states, states_of, write_states
from consilience.plan import Plan, Purpose

if TYPE_CHECKING:
    from consilience.fuse._model import FusedModel

__all__ = ["check_savable", "load", "relocated", "write_companions"]

_HUB_OPTIONS = ("revision", "cache_dir", "token", "local_files_only")
_PASSED_BY_AUTO_CLASSES = ("_from_auto", "adapter_kwargs", "trust_remote_code", "code_revision", "_commit_hash")


def check_savable(model: FusedModel) -> None:
    """Saves the resources, reads their fingerprints and asks for states once for nothing: what fails, fails now."""
    with TemporaryDirectory() as folder:
        relocated(model.plan, Path(folder))
    fingerprints(model.plan)
    states_of(model)


def write_companions(model: FusedModel, fusion: Mapping[str, Any], folder: Path) -> None:
    """Writes beside the weights what they were made from, and what the plugins keep."""
    _write_json(folder / "fusion.yaml", fusion)  # JSON is YAML 1.2
    _write_json(folder / PLAN, model.plan.to_dict())
    _write_json(folder / RECORD, provenance(model.plan))
    write_states(model, folder)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def relocated(plan: Plan, folder: Path) -> dict[str, Any]:
    """Saves the resources into the model's directory and gives the fusion that finds them there.

    Raises `DeclarationError` for a resource that keeps nothing of a place that one of its keys names.
    """
    written = plan.fusion.to_dict()
    for name, resource in plan.resources.items():
        place = folder / "resources" / name
        place.mkdir(parents=True, exist_ok=True)
        kept = resource.save(place)
        lost = [key for key, value in resource if isinstance(value, Location) and key not in (kept or {})]
        if lost or not isinstance(kept, Mapping):
            raise DeclarationError(plan.fusion.locate([_not_kept(name, resource, lost)]))
        changed = {key: _within(resource, key, value, f"resources/{name}") for key, value in kept.items()}
        written["resources"][name] = {**written["resources"][name], **changed}
    return written


def load(path: Any, options: dict[str, Any]) -> FusedModel:
    """Builds the model that a directory or hub id holds, and gives it its weights."""
    from consilience.fuse._model import FusedModel

    hub = {key: options.pop(key) for key in _HUB_OPTIONS if key in options}
    folder = _folder(path, hub)
    config = options.pop("config", None) or FusedConfig.from_pretrained(folder)
    dtype = options.pop("dtype", options.pop("torch_dtype", None))
    device = options.pop("device_map", None)
    unknown = sorted(set(options) - {"registry", *_PASSED_BY_AUTO_CLASSES})
    if unknown:
        raise TypeError(f"FusedModel.from_pretrained takes no {', '.join(unknown)}")
    config.name_or_path = str(folder)
    if folder != Path(path):
        _refuse_outside(config)
    plan = check_as_saved(config.to_fusion(), folder, options.pop("registry", None), Purpose.USE)
    _compare_labels(plan, folder)
    model = FusedModel(config, plan)
    _fill(model, _read_weights(folder), folder)
    torch.nn.Module.to(model, device=_device(device), dtype=_dtype(dtype))
    model.train(False)
    plan.call("consilience_model_built", model=model)
    restore_states(model, folder)
    return model


def _folder(path: Any, hub: Mapping[str, Any]) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(str(path), **hub))
        except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise _not_a_model(f"{path}: no such directory, and no hub id that can be fetched ({reason})") from None
    if not (folder / "config.json").is_file():
        raise _not_a_model(f"no config.json in {folder}")
    return folder


def _read_weights(folder: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise _not_a_model(f"no .safetensors file in {folder}")
    for file in files:
        try:
            weights |= load_file(file)
        except (SafetensorError, OSError) as error:
            raise _bad_weights(f"{file}: {error}") from None
    return weights


def _fill(model: FusedModel, weights: Mapping[str, Tensor], folder: Path) -> None:
    tied = model.tied_names
    wanted = {name: value for name, value in model.state_dict().items() if name not in tied}
    wrong = {
        "missing": [name for name in wanted if name not in weights],
        "superfluous": [name for name in weights if name not in wanted and name not in tied],
        "of another shape": [name for name in wanted if name in weights and weights[name].shape != wanted[name].shape],
    }
    for what, names in wrong.items():
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise _bad_weights(f"{folder}: {len(names)} weights {what}: {shown}")
    model.load_state_dict(weights, strict=False)  # a second name of a tied weight is not in the file


def _dtype(dtype: Any) -> torch.dtype | None:
    if dtype in (None, "auto"):
        return None
    found: torch.dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    return found


def _device(device: Any) -> Any:
    if isinstance(device, Mapping):
        [device] = set(device.values())
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _within(resource: Resource, key: str, value: Any, place: str) -> Any:
    is_location = type(resource).model_fields[key].annotation is Location
    return PurePosixPath(place, value).as_posix() if is_location else value


def _refuse_outside(config: FusedConfig) -> None:
    """Refuses a downloaded model that would read files outside its own directory."""
    for name, written in (config.fusion or {}).get("resources", {}).items():
        for key, value in written.items():
            text = str(value)
            is_outside = PurePosixPath(text).is_absolute() or text.startswith(("~", "pkg:")) or ".." in text.split("/")
            if is_outside:
                raise _not_a_model(f"resources.{name}.{key}: {text}, outside the model's own directory")


def _compare_labels(plan: Plan, folder: Path) -> None:
    """Sees that every label space is in the order that the weights were trained in: a plugin may have changed it."""
    try:
        kept = json.loads((folder / PLAN).read_text(encoding="utf-8"))["nodes"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _bad_weights(f"{folder / PLAN}: {error}") from None
    before = {node["name"]: node["labels"] for node in kept}
    for name, dims in plan.solved.items():
        for dim, space in dims.spaces.items():
            trained = before.get(name, {}).get(dim)
            # A label that has another name now, and the old one as an alias, is the same label.
            if trained is not None and [space.position(str(label)) for label in trained] != list(range(len(space))):
                found = f"the {dim} of {name} are {show(list(space.labels))} now, and were {show(trained)}"
                expected = "the labels that the weights were trained with, in their order"
                fix = "# install the version of the plugin that record.json names, or train again"
                fault = Diagnostic("CN711", (plan.nodes[name].section, name), found, expected, fix)
                raise RunError(plan.fusion.locate([fault]))


def _not_kept(name: str, resource: Resource, lost: list[str]) -> Diagnostic:
    found = f"the save of {type(resource).__name__} keeps nothing of {', '.join(lost) or 'it, and gives no mapping'}"
    fix = "# copy what is needed into `folder` and return {key: its name there}"
    return Diagnostic("CN314", ("resources", name), found, "a resource that a saved model can take along", fix)


def _not_a_model(found: str) -> RunError:
    return RunError(Diagnostic("CN704", (), found, "the directory of a saved fused model", "RUN/model"))


def _bad_weights(found: str) -> RunError:
    fix = "# take an undamaged copy of the model, or train again"
    return RunError(Diagnostic("CN701", (), found, "every weight of the model, and no other", fix))
