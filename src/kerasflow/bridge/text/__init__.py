"""Keras's layers that look up and hash, without TensorFlow: Keras's classes, their configurations and files.

What they would have TensorFlow do is done with `kerasflow.strings`. What they are given by TensorFlow, its tensors and
what it records a graph of (`Dataset.map`), goes through Keras's own code as ever. `kerasflow.bridge.adjust.text` puts
it in place. Open `lookup` first.
"""
