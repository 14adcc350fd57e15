"""The run folder: evidence, manifest, provenance."""
