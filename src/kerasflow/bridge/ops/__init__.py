"""Keras's backend operations on arrays and tracers, one module for each of Keras's."""
