"""The demo trip: three keyframes of one mountain lake and the spec that travels between them, as package data."""
