"""The configuration: schema, rules, loading, digests and paths."""
