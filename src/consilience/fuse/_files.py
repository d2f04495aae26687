"""The directory of a saved fused model: it stands alone, but for the plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from consilience.declare import Location, Resource
from consilience.errors import Diagnostic, RunError
from consilience.fuse._config import FusedConfig
from consilience.plan import Plan

if TYPE_CHECKING:
    from consilience.fuse._model import FusedModel

__all__ = ["load", "relocated"]

_HUB_OPTIONS = ("revision", "cache_dir", "token", "local_files_only")
_PASSED_BY_AUTO_CLASSES = ("_from_auto", "adapter_kwargs", "trust_remote_code", "code_revision", "_commit_hash")


def relocated(plan: Plan, folder: Path) -> dict[str, Any]:
    """Saves the resources into the model's directory and gives the fusion that finds them there."""
    written = plan.fusion.to_dict()
    for name, resource in plan.resources.items():
        place = folder / "resources" / name
        place.mkdir(parents=True, exist_ok=True)
        changed = {
            key: _within(resource, key, value, f"resources/{name}") for key, value in resource.save(place).items()
        }
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
    unknown = sorted(set(options) - set(_PASSED_BY_AUTO_CLASSES))
    if unknown:
        raise TypeError(f"FusedModel.from_pretrained takes no {', '.join(unknown)}")
    config.name_or_path = str(folder)
    model = FusedModel(config)
    _fill(model, _read_weights(folder), folder)
    torch.nn.Module.to(model, device=_device(device), dtype=_dtype(dtype))
    model.train(False)
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
    wanted = model.state_dict()
    wrong = {
        "missing": [name for name in wanted if name not in weights],
        "superfluous": [name for name in weights if name not in wanted],
        "of another shape": [name for name in wanted if name in weights and weights[name].shape != wanted[name].shape],
    }
    for what, names in wrong.items():
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise _bad_weights(f"{folder}: {len(names)} weights {what}: {shown}")
    model.load_state_dict(weights)


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


def _not_a_model(found: str) -> RunError:
    return RunError(Diagnostic("CN704", (), found, "the directory of a saved fused model", "RUN/model"))


def _bad_weights(found: str) -> RunError:
    fix = "# take an undamaged copy of the model, or train again"
    return RunError(Diagnostic("CN701", (), found, "every weight of the model, and no other", fix))
