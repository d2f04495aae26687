"""`python -m docs.builder`: builds the site; a warning is an error."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from docs.builder import _components, _interface, _pages
from sphinx.cmd.build import main as sphinx

DOCS = Path(__file__).parents[1]


def main() -> int:
    """Gathers the pages, and builds the site of them; gives Sphinx's exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.builder", description="Builds the documentation site.")
    parser.add_argument("--pages", type=Path, default=DOCS / "_generated", help="where the pages are gathered")
    parser.add_argument("--output", type=Path, default=DOCS / "_build", help="where the site is written, under html/")
    chosen = parser.parse_args()
    written = {**_pages.gathered(), **_components.pages(), **_interface.pages()}
    _pages.write(written, chosen.pages)
    doctrees, html = chosen.output / "doctrees", chosen.output / "html"
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet", "--fresh-env"]
    done = sphinx([*strict, "-c", str(DOCS), "-d", str(doctrees), str(chosen.pages), str(html)])
    if not done:
        sys.stdout.write(f"the site begins at {html / 'index.html'}\n")
    return done


if __name__ == "__main__":
    raise SystemExit(main())
