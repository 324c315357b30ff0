"""Prompt writers: models that look at keyframes and say what happens between them."""
