"""Puts the clock of this process an hour ahead, as far as Python's own code asks for it."""

import time

_true = time.time
time.time = lambda: _true() + 3600.0
