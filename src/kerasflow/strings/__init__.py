"""Strings with NumPy: hashes, tables to look them up, and what texts are split into, as TensorFlow computes it.

Open `flat` first: many strings in one array. They know NumPy and nothing else of ours.
"""
