"""What a key must be: a name on one line of text."""

from __future__ import annotations

from typing import NamedTuple

from consilience.declare._characters import REFUSED_IN_KEY, quote, show
from consilience.declare._scalars import WORDS

__all__ = ["Said", "fault_of_key", "no_name"]

LONGEST_KEY = 1024


class Said(NamedTuple):
    """What a diagnostic says of a fault, wherever it stands."""

    code: str
    found: str
    expected: str
    fix: str


def no_name(found: str) -> Said:
    """Tells of a key that is no scalar at all."""
    fix = '# write a name before the colon, as in `name: value`; put text that holds braces in quotes: "{{...}}"'
    return Said("CN107", f"{found} as a key", "a name", fix)


def fault_of_key(key: str, is_plain: bool) -> Said | None:
    """Tells why a key is no name, or None when it is one."""
    if is_plain and key == "<<":
        fix = "# write the keys out in place of `<<`, or give each value an anchor of its own: `rate: &rate 0.1`"
        return Said("CN105", "the merge key `<<`", "keys that are written out", fix)
    if is_plain and WORDS.get(key, key) is None:
        if not key:
            return Said("CN107", "no key", "a name", "# write a name before the colon, as in `name: value`")
        return Said("CN107", f"the key `{key}`, which is null", "a name", f'# put the name in quotes: "{key}":')
    if len(key) > LONGEST_KEY:
        fix = f"# shorten it: {show(key, 20)}:"
        return Said("CN107", f"a key of {len(key):,} characters", f"at most {LONGEST_KEY:,}", fix)
    if REFUSED_IN_KEY.search(key):
        fix = f"# write it without them: {quote(REFUSED_IN_KEY.sub('', key))}:"
        return Said("CN109", f"control characters in the key {show(key)}", "printable text", fix)
    return None
