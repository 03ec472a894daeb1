"""Strings with NumPy: hashes, tables to look them up, and what texts are split into, as TensorFlow computes it."""
