"""Plugins that the environment turns off are as good as absent, and told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from consilience import Fusion, check
from consilience.errors import DeclarationError
from consilience.host import Registry, safe_mode

Install = Callable[..., None]
Make = Callable[[], Registry]


def test_a_plugin_that_is_turned_off_is_not_imported_and_told(
    install: Install, registry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("own", "raise SystemError('imported')")
    install("other", "")
    monkeypatch.setenv("CONSILIENCE_DISABLE", "own, third")
    host = registry()
    fault = host.load("own")
    assert fault is not None
    assert str(fault) == (
        "error CN215 at the file\n"
        "  found     the plugin own, which is turned off by CONSILIENCE_DISABLE=own,third\n"
        "  expected  a plugin that is turned on\n"
        "  fix       export CONSILIENCE_DISABLE=third  # or leave --safe-mode out"
    )
    assert host.load("other") is None
    assert "consilience_own_own_own" not in sys.modules
    assert [info.is_disabled for info in host.plugins()] == [False, True]


def test_safe_mode_turns_all_off_but_what_is_built_in(install: Install, site: Path) -> None:
    install("own", "")
    before = os.environ.get("CONSILIENCE_DISABLE")
    with safe_mode():
        host = Registry()
        assert host.load("standard") is None
        off = host.load("own")
        assert off is not None
        assert off.fix == "unset CONSILIENCE_DISABLE  # or leave --safe-mode out"
        text = "consilience: 1\nname: x\nmodules: {m: {use: own.thing, in: y}}"
        with pytest.raises(DeclarationError) as told:
            check(Fusion.parse(text), host)
        assert "CN215" in {fault.code for fault in told.value.diagnostics}
    assert os.environ.get("CONSILIENCE_DISABLE") == before
    assert host.load("own") is None


def test_what_a_script_registers_stays(registry: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILIENCE_DISABLE", "*")
    host = registry()
    host.register(object(), "mine")
    assert host.load("mine") is None
