"""JSON Schemas of everything that crosses a border."""
