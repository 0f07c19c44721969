"""Sparse texture mapping: arrays in, arrays out."""
