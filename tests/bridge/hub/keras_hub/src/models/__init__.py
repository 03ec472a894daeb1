"""A stand-in for KerasHub, laid out as that is."""
