"""Speaks with a language server as an editor does: LSP over its standard input and output."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60
"""Seconds after which a server that says nothing is taken for dead."""

SETTINGS = {
    "yaml": {
        "validate": True,
        "hover": True,
        "completion": True,
        "yamlVersion": "1.2",
        "schemaStore": {"enable": False},
        "kubernetesCRDStore": {"enable": False},
    }
}
"""What the server asks the editor for; no schema is looked for on the network."""


@dataclass(frozen=True)
class Squiggle:
    """A diagnostic: the text under it, and what it says."""

    text: str
    message: str
    line: int
    column: int
    """Both count from 1."""


class LanguageClient:
    """An editor with one server, for one folder."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._received: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
        threading.Thread(target=self._listen, daemon=True).start()
        workspace = {"configuration": True}
        document = {
            "completion": {"completionItem": {"documentationFormat": ["markdown"], "snippetSupport": True}},
            "hover": {"contentFormat": ["markdown"]},
            "publishDiagnostics": {},
        }
        capabilities = {"workspace": workspace, "textDocument": document}
        self.request("initialize", processId=None, rootUri=folder.as_uri(), capabilities=capabilities)
        self._notify("initialized")

    def close(self) -> None:
        """Ends the server."""
        try:
            self.request("shutdown")
            self._notify("exit")
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()

    def squiggles(self, *texts: str) -> list[list[Squiggle]]:
        """Opens a file of each text, and gives the diagnostics that the server has for it, by place."""
        opened = {self._open(text): text for text in texts}
        found: dict[str, list[Squiggle]] = {}
        while len(found) < len(opened):
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] in opened:
                uri = message["params"]["uri"]
                told = [_squiggle(opened[uri], diagnostic) for diagnostic in message["params"]["diagnostics"]]
                found[uri] = sorted(told, key=lambda squiggle: (squiggle.line, squiggle.column))
        for uri in opened:
            self._close(uri)
        return [found[uri] for uri in opened]

    def completions(self, text: str) -> dict[str, dict[str, Any]]:
        """Gives what the server offers at the character `|` of a text, by its label."""
        found = self._ask("textDocument/completion", text)
        return {item["label"]: item for item in found["items"]}

    def hover(self, text: str) -> str:
        """Gives what the server shows at the character `|` of a text."""
        found = self._ask("textDocument/hover", text)
        return str(found["contents"]["value"]) if found else ""

    def request(self, method: str, **parameters: Any) -> Any:
        """Asks the server, and gives its answer."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": parameters})
        while (message := self._next()).get("id") != self._number or "method" in message:
            pass
        assert "error" not in message, message
        return message["result"]

    def _notify(self, method: str, **parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _ask(self, method: str, marked: str) -> Any:
        before, _, after = marked.partition("|")
        lines = before.split("\n")
        uri = self._open(before + after)
        position = {"line": len(lines) - 1, "character": len(lines[-1])}
        answer = self.request(method, textDocument={"uri": uri}, position=position)
        self._close(uri)
        return answer

    def _open(self, text: str) -> str:
        self._number += 1
        uri = (self._folder / f"{self._number}.yaml").as_uri()  # one that no diagnostics are under way for
        document = {"uri": uri, "version": 1, "languageId": "yaml", "text": text}
        self._notify("textDocument/didOpen", textDocument=document)
        return uri

    def _close(self, uri: str) -> None:
        self._notify("textDocument/didClose", textDocument={"uri": uri})

    def _next(self) -> dict[str, Any]:
        message = self._received.get(timeout=PATIENCE)
        assert message is not None, f"the language server ended with {self._process.wait()}"
        if message.get("method") == "workspace/configuration":
            asked = [item.get("section") for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": [SETTINGS.get(section) for section in asked]})
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while line := stream.readline():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif not line.strip():
                self._received.put(json.loads(stream.read(length)))
        self._received.put(None)


def _squiggle(text: str, found: dict[str, Any]) -> Squiggle:
    start, end = found["range"]["start"], found["range"]["end"]
    lines = text.split("\n")[start["line"] : end["line"] + 1]
    lines[-1] = lines[-1][: end["character"]]
    lines[0] = lines[0][start["character"] :]
    return Squiggle("\n".join(lines), found["message"], start["line"] + 1, start["character"] + 1)
