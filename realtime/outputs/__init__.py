"""Outputs: where finished pictures go."""
