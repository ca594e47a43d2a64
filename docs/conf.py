"""Settings of sphinx, which `make docs` runs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

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
autodoc_typehints = "none"  # the docstrings have shapes and units
highlight_language = "text"
