"""The witness: another process of Python, which has torch and the core at hand and has never seen the plugin.

It answers each question in a fork of itself, so that no answer leaves a trace; where there is no fork, each question
gets a process of its own. What is asked is written to a file, and the answer is one line of JSON. A fork that ends, or
goes on for too long, is told of like one that fails: whatever a plugin does, there is an answer.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib
import json
import os
import pickle  # noqa: TID251 - a data loader's worker is sent what it works with in this way
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from consilience.host import STANDARD, Registry

__all__ = ["Unreachable", "collate_elsewhere", "digests", "import_elsewhere", "train_elsewhere"]

_MARK = "consilience witness: "
_PLENTY = 300.0
"""How many seconds an answer may take."""


class Unreachable(Exception):
    """What was sent to another process does not arrive there, or fails there."""


class _Witness:
    """The process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, **question: Any) -> Any:
        """Gives the answer to a question; raises `Unreachable` with what went wrong there."""
        process = self._running()
        assert process.stdin is not None
        with tempfile.TemporaryDirectory() as folder:
            asked = {**question, "path": sys.path, "answer": str(Path(folder) / "answer"), "seconds": _PLENTY}
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            answer = self._heard(process)
        if "error" in answer:
            raise Unreachable(answer["error"])
        return answer["value"]

    def _heard(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        # A fork is ended by the process that made it, and sooner; this is for where there is none.
        end = threading.Timer(_PLENTY if not hasattr(os, "fork") else 2 * _PLENTY, process.kill)
        end.daemon = True
        end.start()
        try:
            line = next((line for line in process.stdout if line.startswith(_MARK)), None)
        finally:
            end.cancel()
        if line is None or not hasattr(os, "fork"):
            self.end()
        if line is None:
            return {"error": f"the process ended with {process.returncode}"}
        answer: dict[str, Any] = json.loads(line.removeprefix(_MARK))
        return answer

    def end(self) -> None:
        """Ends the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(_PLENTY)
        self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-m", __name__]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
            atexit.register(self.end)
        return self._process


_WITNESS = _Witness()


def collate_elsewhere(collator: Any, examples: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Makes a batch in the other process; gives a digest of each of its tensors."""
    try:
        sent = pickle.dumps((collator, list(examples)))
    except Exception as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sent"
        file.write_bytes(sent)
        found: dict[str, str] = _WITNESS.ask(do="collate", file=str(file))
    return found


def train_elsewhere(namespace: str = "", plugin: object = None) -> dict[str, str]:
    """Builds and trains the reference fusion in the other process; gives a digest of each of its parameters.

    The plugin is loaded before, by its namespace or as the object that is handed over, and nothing uses it; without
    either, there is none. Raises `Unreachable` where an object does not arrive there.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, module = Path(folder) / "sent", ""
        if isinstance(plugin, ModuleType):
            module, plugin = plugin.__name__, None
        if plugin is not None:
            try:
                file.write_bytes(pickle.dumps(plugin))
            except Exception as error:
                raise Unreachable(f"{type(error).__name__}: {error}") from error
        sent = str(file) if plugin is not None else ""
        found: dict[str, str] = _WITNESS.ask(do="train", namespace=namespace, file=sent, module=module)
    return found


def import_elsewhere(module: str, first: Path) -> dict[str, str]:
    """Imports a package and all its modules in the other process, with a folder first on the path.

    Gives the file of each module, or why it fails to import.
    """
    found: dict[str, str] = _WITNESS.ask(do="import", module=module, first=str(first))
    return found


def digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Gives a digest of each tensor: its dtype, its shape and its bits."""
    return {name: _digest(tensor) for name, tensor in sorted(tensors.items())}


def _digest(tensor: Tensor) -> str:
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    return hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode() + raw).hexdigest()


def _collate(file: str) -> dict[str, str]:
    collator, examples = pickle.loads(Path(file).read_bytes())  # noqa: S301 - what the kit itself has just written
    return digests(collator(examples))


def _train(namespace: str, file: str, module: str) -> dict[str, str]:
    from consilience.testing._reference import trained

    registry = Registry()
    registry.load(STANDARD)
    if file:
        registry.register(pickle.loads(Path(file).read_bytes()), namespace)  # noqa: S301 - the kit has just written it
    elif module:
        registry.register(importlib.import_module(module), namespace)
    elif namespace and (fault := registry.load(namespace)):
        raise Unreachable(str(fault))
    for offer in registry.components():
        if offer.namespace == namespace and namespace != STANDARD:
            _import(offer.component.__module__.partition(".")[0])
    return digests(trained(registry))


def _import(package: str) -> dict[str, str]:
    """Imports a package with all its modules."""
    found: dict[str, str] = {}
    top = importlib.import_module(package)
    names = [one.name for one in pkgutil.walk_packages(getattr(top, "__path__", ()), f"{package}.")]
    for name in [package, *(name for name in names if not name.endswith("__main__"))]:
        try:
            found[name] = str(getattr(importlib.import_module(name), "__file__", ""))
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    sys.path[:] = question["path"]
    importlib.invalidate_caches()
    try:
        match question["do"]:
            case "collate":
                return {"value": _collate(question["file"])}
            case "import":
                sys.path.insert(0, question["first"])
                return {"value": _import(question["module"])}
            case _:
                return {"value": _train(question["namespace"], question["file"], question["module"])}
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {"error": f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"}


def _main() -> None:
    import consilience.data
    import consilience.fuse
    import consilience.testing._reference  # noqa: F401 - what every answer needs is imported before the fork

    for line in sys.stdin:
        question = json.loads(line)
        told = _told_by_a_fork(question) if hasattr(os, "fork") else json.dumps(_answer(question))
        print(f"\n{_MARK}{told}", flush=True)  # noqa: T201 - the answer, on a line of its own whatever stands before
        if not hasattr(os, "fork"):
            return


def _told_by_a_fork(question: dict[str, Any]) -> str:
    file = Path(question["answer"])
    if child := os.fork():
        return _waited_for(child, file, question["seconds"])
    try:
        file.write_text(json.dumps(_answer(question)), encoding="utf-8")
    finally:
        os._exit(0 if file.is_file() else 1)


def _waited_for(child: int, file: Path, seconds: float) -> str:
    """Gives what a fork wrote, once it has ended; ends it where it takes too long."""
    last = time.monotonic() + seconds
    done, status = 0, 0
    while not done:
        time.sleep(0.005)
        done, status = os.waitpid(child, os.WNOHANG)
        if not done and time.monotonic() > last:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return json.dumps({"error": f"the process gave no answer in {seconds:g} s"})
    code = os.waitstatus_to_exitcode(status)
    if code or not file.is_file():
        return json.dumps({"error": f"the process ended with {code}"})
    return file.read_text(encoding="utf-8")


if __name__ == "__main__":
    _main()
