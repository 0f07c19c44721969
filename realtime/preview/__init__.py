"""The preview page."""
