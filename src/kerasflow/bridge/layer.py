"""The backend's mixin for `keras.Layer`: nothing to add."""


class NumpyLayer:
    """Mixed into every Keras layer."""
