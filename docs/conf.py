"""Sphinx's settings for the documentation site; `make docs` gathers the pages that it reads."""

from importlib.metadata import version as installed

project = "Consilience"
version = release = installed("consilience")
copyright = "the authors of Consilience"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "docs.builder._docstrings"]
exclude_patterns = ["files"]
nitpick_ignore_regex = [
    # What is not Consilience's, and what is not public, has no page here.
    (r"py:.*", r"(?!consilience\b).*"),
    (r"py:.*", r"consilience\.(.*\.)?_.*"),
]

# The docstrings mark code by single backticks, as the pages do.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

myst_heading_anchors = 6

# A language that Pygments does not know is shown as plain text.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"Consilience {release}"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_domain_indices = False
html_show_sphinx = False

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
