"""Retries, fallbacks and the circuit breaker."""
