"""How the packaged line list and model atmospheres were made; `make data` runs it. The pipeline itself never does."""
