"""Hooks: each is one sentence, used by a plugin of this repository, and called in the plugin's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import getdoc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consilience.declare import hookimpl
from consilience.host import Registry, _hookspecs

ROOT = Path(__file__).parents[2]
HOOKS = [name for name in vars(_hookspecs) if name.startswith("consilience_")]
Make = Callable[[], Registry]


def plugin_of(**hooks: Callable[..., Any]) -> object:
    return SimpleNamespace(**{name: hookimpl(specname=name)(function) for name, function in hooks.items()})


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_one_sentence(hook: str) -> None:
    text = " ".join((getdoc(getattr(_hookspecs, hook)) or "").split())
    assert re.fullmatch(r"[A-Z][^.]*(?:`[^`]*`[^.]*)*\.", text), text


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_used_by_a_plugin_of_this_repository(hook: str) -> None:
    modules = ROOT.glob("plugins/*/src/*/__init__.py")
    assert any(f"@hookimpl\ndef {hook}(" in module.read_text(encoding="utf-8") for module in modules)


def test_a_hook_is_called_with_what_it_asks_for_and_in_the_order_of_the_names(registry: Make) -> None:
    host = registry()
    host.register(plugin_of(consilience_step_ended=lambda step: {"at": step}), "one")
    host.register(plugin_of(consilience_step_ended=lambda model, step: {"at": -step}), "two")
    host.register(object(), "three")
    told = host.call("consilience_step_ended", ["two", "three", "one"], model=None, step=7)
    assert list(told.items()) == [("two", {"at": -7}), ("one", {"at": 7})]
    assert host.call("consilience_step_ended", ["one"], model=None, step=7) == {"one": {"at": 7}}


def test_what_a_hook_raises_says_whose_it_is(registry: Make) -> None:
    def fail(model: object) -> None:
        raise ZeroDivisionError("nothing to divide by")

    host = registry()
    host.register(plugin_of(consilience_model_built=fail), "mine")
    with pytest.raises(ZeroDivisionError) as told:
        host.call("consilience_model_built", ["mine"], model=None)
    assert told.value.__notes__ == [
        "in the hook consilience_model_built of mine, from a plugin registered in this process"
    ]
    assert told.traceback[-1].name == "fail"
