"""What goes is told at the caller's line, with what to use instead; a promise that is broken is seen."""

from __future__ import annotations

import warnings
from pathlib import Path

import pluggy
import pytest

from consilience.declare import ConsilienceDeprecationWarning, Deprecation, deprecated


@deprecated(since="0.2", until="0.4", use="area")
def surface(side: float) -> float:
    """Gives the surface of a square."""
    return side**2


@deprecated(since="0.2", until="0.4", use="Square")
class Quadrat:
    """A square."""


def line_of(text: str) -> int:
    [number] = [
        number
        for number, line in enumerate(Path(__file__).read_text(encoding="utf-8").splitlines(), start=1)
        if line.endswith(text)
    ]
    return number


def test_a_call_is_told_at_the_line_of_the_caller() -> None:
    with pytest.warns(ConsilienceDeprecationWarning) as told:
        assert surface(3) == 9  # the call
    [warning] = told
    assert str(warning.message).endswith("test_deprecated.surface, deprecated since 0.2, until 0.4: use area")
    assert (Path(warning.filename).name, warning.lineno) == (Path(__file__).name, line_of("# the call"))


def test_a_class_is_told_when_it_is_made_and_when_it_is_inherited_from() -> None:
    with pytest.warns(ConsilienceDeprecationWarning, match="Quadrat, deprecated since 0.2") as told:
        assert isinstance(Quadrat(), Quadrat)
    assert Path(told[0].filename).name == Path(__file__).name
    with pytest.warns(ConsilienceDeprecationWarning, match="use Square"):
        type("Own", (Quadrat,), {})


def test_what_is_deprecated_keeps_its_name_and_help() -> None:
    assert (surface.__name__, surface.__doc__) == ("surface", "Gives the surface of a square.")


def test_a_deprecation_is_read_as_it_is_written() -> None:
    written = "since 0.2, until 0.4: use psychology.affect_head@2"
    assert str(Deprecation.parse(written)) == written
    assert Deprecation.parse(written) == Deprecation("0.2", "0.4", "psychology.affect_head@2")


@pytest.mark.parametrize(
    "text",
    ["", "deprecated", "write widths", "since 0.2: use x", "since 0.2, until 0.4: use ", "since two, until 0.4: use x"],
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        Deprecation.parse(text)


def test_a_decorator_takes_minor_releases_alone() -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        deprecated(since="soon", until="0.4", use="x")


@pytest.mark.parametrize(
    ("since", "until", "version", "told"),
    [
        ("0.2", "0.4", "0.2.0", None),
        ("0.2", "0.4", "0.3.9", None),
        ("0.2", "0.4", "0.4.0", "it should be gone since 0.4, and this is 0.4.0"),
        ("0.2", "0.4", "0.10", "it should be gone since 0.4, and this is 0.10"),
        ("0.2", "0.4", "1.0", "it should be gone since 0.4, and this is 1.0"),
        ("0.2", "0.3", "0.2", "from 0.2 until 0.3 are fewer than 2 minor releases"),
        ("0.4", "0.2", "0.1", "from 0.4 until 0.2 are fewer than 2 minor releases"),
        ("0.9", "1.0", "0.9", "from 0.9 until 1.0 are fewer than 2 minor releases"),
        ("0.9", "1.1", "1.0", None),
        ("0.9", "2.0", "1.7", None),
        ("1.2", "0.9", "0.1", "from 1.2 until 0.9 are fewer than 2 minor releases"),
    ],
)
def test_a_broken_promise_is_seen(since: str, until: str, version: str, told: str | None) -> None:
    assert Deprecation(since, until, "x").broken_promise(version) == told


def test_an_argument_of_a_hook_is_told_at_the_hook_that_takes_it() -> None:
    goes = ConsilienceDeprecationWarning("the argument batch, deprecated since 0.2, until 0.4: use model")

    class Specs:
        @pluggy.HookspecMarker("consilience")(warn_on_impl_args={"batch": goes})
        def consilience_measured(self, model: object, batch: object) -> None:
            """Measures."""

    class Old:
        @pluggy.HookimplMarker("consilience")  # the hook
        def consilience_measured(self, batch: object) -> None: ...

    class New:
        @pluggy.HookimplMarker("consilience")
        def consilience_measured(self, model: object) -> None: ...

    manager = pluggy.PluginManager("consilience")
    manager.add_hookspecs(Specs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manager.register(New())
    with pytest.warns(ConsilienceDeprecationWarning, match="use model") as told:
        manager.register(Old())
    assert (Path(told[0].filename).name, told[0].lineno) == (Path(__file__).name, line_of("# the hook"))


def test_a_name_that_moved_warns_and_works() -> None:
    from consilience import fuse, train

    class Empty:
        resources: dict[str, object] = {}  # noqa: RUF012
        sources: dict[str, object] = {}  # noqa: RUF012

    with pytest.warns(ConsilienceDeprecationWarning, match=r"^consilience.train.fingerprints, deprecated since 0.1"):
        assert train.fingerprints(Empty()) == {"resources": {}, "sources": {}}  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fuse.fingerprints(Empty()) == {"resources": {}, "sources": {}}  # type: ignore[arg-type]


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^'' is no version, as 0\.2 is one$"):
        Deprecation("0.2", "0.4", "x").broken_promise("")
