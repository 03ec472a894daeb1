"""The bridge: everything that knows Keras's private API. Nothing else imports `keras.src`."""
