"""Numbered SQL files, applied in order and never changed afterwards; see `wayframe.workflow.queue.schema`."""
