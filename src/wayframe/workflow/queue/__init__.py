"""Runs that go on without the terminal that asked for them: a database, workers, and the files in a store."""
