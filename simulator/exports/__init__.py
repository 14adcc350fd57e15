"""A finished run in the files of other tools: returns, Parquet, OpenTelemetry, MLflow."""
