"""The places where tasks are told of."""
