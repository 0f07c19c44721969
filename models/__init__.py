"""Faces and networks: no threads, no cameras."""
