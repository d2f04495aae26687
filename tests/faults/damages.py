"""Thirty ways in which a checkpoint can be damaged, each a function of its directory and of an older one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Damage = Callable[[Path, Path], None]


def _cut(name: str, to: float) -> Damage:
    def damage(new: Path, old: Path) -> None:
        size = (new / name).stat().st_size
        os.truncate(new / name, int(size * to))

    return damage


def _flip(name: str, at: float) -> Damage:
    def damage(new: Path, old: Path) -> None:
        data = bytearray((new / name).read_bytes())
        data[int((len(data) - 1) * at)] ^= 1
        (new / name).write_bytes(data)

    return damage


def _write(name: str, data: bytes) -> Damage:
    return lambda new, old: (new / name).write_bytes(data) and None


def _remove(name: str) -> Damage:
    return lambda new, old: (new / name).unlink()


def _from_older(name: str) -> Damage:
    return lambda new, old: shutil.copyfile(old / name, new / name) and None


def _manifest(**changes: Any) -> Damage:
    """Changes the manifest and gives it a digest that fits, as somebody does who knows the format."""

    def damage(new: Path, old: Path) -> None:
        from consilience.train._checkpoints._store import _digest

        manifest = json.loads((new / "manifest.json").read_text())
        del manifest["digest"]
        manifest |= changes
        (new / "manifest.json").write_text(json.dumps(manifest | {"digest": _digest(manifest)}))

    return damage


def _swap(new: Path, old: Path) -> None:
    one, two = new / "model.safetensors", new / "optimizer.safetensors"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def _linked(new: Path, old: Path) -> None:
    (new / "model.safetensors").rename(new.parent / "elsewhere")
    (new / "model.safetensors").symlink_to(new.parent / "elsewhere")


def _folder_for_file(new: Path, old: Path) -> None:
    (new / "rest.json").unlink()
    (new / "rest.json").mkdir()


def _linked_whole(new: Path, old: Path) -> None:
    shutil.rmtree(new)
    new.symlink_to(old)


def _a_file(new: Path, old: Path) -> None:
    shutil.rmtree(new)
    new.write_text("checkpoint")


def _emptied(new: Path, old: Path) -> None:
    shutil.rmtree(new)
    new.mkdir()


def _older_renamed(new: Path, old: Path) -> None:
    shutil.rmtree(new)
    shutil.copytree(old, new)


def _not_finite(new: Path, old: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(new / "model.safetensors")
    next(iter(weights.values())).fill_(float("nan"))
    save_file(weights, new / "model.safetensors")


def _longer(new: Path, old: Path) -> None:
    with (new / "optimizer.safetensors").open("ab") as stream:
        stream.write(b"\0")


def _zeroed(new: Path, old: Path) -> None:
    size = (new / "optimizer.safetensors").stat().st_size
    (new / "optimizer.safetensors").write_bytes(bytes(size))


def _larger_step(new: Path, old: Path) -> None:
    shutil.copytree(old, new.with_name("step-99999999"))
    shutil.rmtree(new)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "weights cut in half": (_cut("model.safetensors", 0.5), "model.safetensors has "),
    "weights without a byte": (_cut("model.safetensors", 0), "model.safetensors has 0 bytes"),
    "optimizer one byte longer": (_longer, "optimizer.safetensors has "),
    "a bit of the weights' header": (_flip("model.safetensors", 0.01), "model.safetensors has other bytes"),
    "a bit of the weights": (_flip("model.safetensors", 0.9), "model.safetensors has other bytes"),
    "a bit of the optimizer": (_flip("optimizer.safetensors", 0.9), "optimizer.safetensors has other bytes"),
    "a bit of the generators": (_flip("rest.safetensors", 0.9), "rest.safetensors has other bytes"),
    "optimizer of zeros": (_zeroed, "optimizer.safetensors has other bytes"),
    "weights that are not finite": (_not_finite, "model.safetensors has "),
    "weights missing": (_remove("model.safetensors"), "model.safetensors is missing"),
    "optimizer missing": (_remove("optimizer.safetensors"), "optimizer.safetensors is missing"),
    "the trainer's state missing": (_remove("trainer_state.json"), "trainer_state.json is missing"),
    "two files swapped": (_swap, "model.safetensors has "),
    "weights of an older checkpoint": (_from_older("model.safetensors"), "model.safetensors has other bytes"),
    "state of an older checkpoint": (_from_older("trainer_state.json"), "trainer_state.json has "),
    "a manifest of an older checkpoint": (_from_older("manifest.json"), "its manifest is of step "),
    "an older checkpoint under a newer name": (_older_renamed, "its manifest is of step "),
    "an older checkpoint under a huge step": (_larger_step, "its manifest is of step "),
    "manifest missing": (_remove("manifest.json"), "manifest.json: No such file or directory"),
    "manifest empty": (_write("manifest.json", b""), "manifest.json is no JSON"),
    "manifest cut": (_cut("manifest.json", 0.7), "manifest.json is no JSON"),
    "manifest no mapping": (_write("manifest.json", b"[]"), "manifest.json is no mapping"),
    "manifest too deep": (_write("manifest.json", b"[" * 200_000), "manifest.json is no JSON"),
    "manifest of two megabytes": (_write("manifest.json", b" " * 2_000_000), "manifest.json is of 2,000,000 bytes"),
    "manifest without a digest": (_write("manifest.json", b'{"format": 1}'), "manifest.json is not as it was written"),
    "a huge number in the manifest": (
        _write("manifest.json", b'{"step": 1e999, "digest": ""}'),
        "manifest.json is not as it was written",
    ),
    "manifest with a bit of a hash": (_flip("manifest.json", 0.5), "manifest.json is no"),
    "a manifest of other things": (_manifest(files=[1]), "manifest.json is not as it was written"),
    "a file outside": (_manifest(files={"../../plan.json": {}}), "../../plan.json is missing"),
    "a later format": (_manifest(format=2), "manifest.json is of format 2; this version reads 1"),
    "another run's": (_manifest(run="f" * 32), "it is of another run, " + "f" * 32),
    "another plan's": (_manifest(plan="0" * 64), "it is of another plan than this run had"),
    "a step that is renamed": (_manifest(step=7), "its manifest is of step 7"),
    "a file more": (_write("training_args.bin", b"pickle"), "training_args.bin is not in its manifest"),
    "a link in a file's place": (_linked, "model.safetensors is no file"),
    "a directory in a file's place": (_folder_for_file, "rest.json is no file"),
    "a link to an older checkpoint": (_linked_whole, "it is no directory"),
    "a file in its place": (_a_file, "it is no directory"),
    "an empty directory": (_emptied, "manifest.json: No such file or directory"),
}
"""By name: what is done, and what the diagnostic says of it."""
