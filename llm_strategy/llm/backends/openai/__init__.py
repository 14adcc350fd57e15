"""Servers that speak like OpenAI."""
