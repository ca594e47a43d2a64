"""Commands next to the pipeline: export, mock surveys, survey import, provenance, rebuild."""
