"""The record of answers."""
