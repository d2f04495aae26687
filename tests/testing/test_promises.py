"""Deprecations are found in source code, in whatever way they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.testing import promises

GOOD = "since 0.2, until 0.4: use x"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("@deprecated(since='0.2', until='0.4', use='x')\ndef old(): ...", GOOD),
        ("@declare.deprecated(since='0.2', until='0.4', use='x')\nclass Old: ...", GOOD),
        ("goes = Deprecation('0.2', '0.4', 'x')", GOOD),
        (f"class Old(Module, deprecated='{GOOD}'): ...", GOOD),
        (f"width: int = Field(3, ge=1, deprecated='{GOOD}')", GOOD),
        (f"warning = ConsilienceDeprecationWarning('the argument batch, deprecated {GOOD}')", GOOD),
        ("width: int = Field(3, deprecated='write widths')", None),
        ("width: int = Field(3, deprecated=True)", None),
        ("class Old(Module, deprecated='since 0.2'): ...", None),
        ("@deprecated(since='soon', until='0.4', use='x')\ndef old(): ...", None),
    ],
)
def test_a_deprecation_is_found(code: str, said: str | None, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(f"# its first line\n{code}\n", encoding="utf-8")
    [promise] = promises(tmp_path)
    assert (promise.file.name, promise.line) == ("own.py", 2)
    assert (str(promise.deprecation) if promise.deprecation else None) == said
    told = promise.broken("0.2.0")
    assert told is None if said else "is not of the form" in str(told)


@pytest.mark.parametrize(
    "code",
    [
        f'"""Says {GOOD} of itself."""',
        f"def old():\n    '''Is gone {GOOD}.'''",
        "deprecated(since=since, until=until, use=use)",
        "Field(3, deprecated=None)",
        "text = 'since then, until now: use it'",
        f"text = f'{{text}} is not of the form {GOOD}'",
    ],
)
def test_what_only_speaks_of_one_is_none(code: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(code, encoding="utf-8")
    assert promises(tmp_path / "own.py") == []
