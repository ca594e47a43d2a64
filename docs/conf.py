"""Settings of sphinx, which `make docs` runs."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

project = "starlabels"
author = copyright = "the starlabels authors"
html_theme = "furo"
html_title = "starlabels"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Docstrings name types in words, such as `array (n, n_pix)`: they are text, not references.
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
myst_heading_anchors = 3
nitpicky = True
nitpick_ignore = [("py:exc", "UserError")]  # docstrings name it without its module
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
highlight_language = "text"


def setup(app):
    """Replace CONFIG-REFERENCE on the configuration page by the reference made from the schema."""
    from config_reference import markdown

    def insert_reference(app, name, source):
        if name == "config":
            source[0] = source[0].replace("CONFIG-REFERENCE", markdown())

    app.connect("source-read", insert_reference)
