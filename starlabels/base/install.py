"""Where the packaged data and recipes are: in the checkout, or inside the installed package."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parent
IS_CHECKOUT = (CHECKOUT / "data/SHA256SUMS").is_file() and (CHECKOUT / "grid.py").is_file()
ROOT = CHECKOUT if IS_CHECKOUT else PACKAGE  # `pip install` puts both folders into the package
DATA_FOLDER = ROOT / "data"
RECIPE_FOLDER = ROOT / "recipes"
MODEL_FOLDER = DATA_FOLDER / "models"  # trained models in the box
