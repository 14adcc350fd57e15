"""What a run can be exported as."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What a run is written as."""

    RETURNS = "returns"
    """Daily returns of the accounts, for quantstats, empyrical and pyfolio: CSV, or Parquet by the name of the file."""
    PARQUET = "parquet"
    """A folder of decisions, accounts, trades and orders."""
    OTEL = "otel"
    """OpenTelemetry spans of the questions to the model: a file of JSON, or an address of a collector."""
    MLFLOW = "mlflow"
    """A run in a folder or at an address of MLflow."""
