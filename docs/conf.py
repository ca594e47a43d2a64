"""Settings of sphinx: `make docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

project = "starlabels"
author = copyright = "the starlabels authors"
html_theme = "furo"
html_title = "starlabels"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
nitpicky = True
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
highlight_language = "text"


def setup(app):
    """Put the reference of the configuration, made from the schema, in place of the word for it."""
    from config_reference import markdown

    def generate(app, name, source):
        source[0] = (
            source[0].replace("CONFIG-REFERENCE", markdown()) if name == "config" else source[0]
        )

    app.connect("source-read", generate)
