"""Commands beside the pipeline: export, mock surveys, survey import, provenance, rebuild."""
