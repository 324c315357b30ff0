"""The page and its JSON API: FastAPI routes, Jinja templates, static files; needs the extra `page`."""
