"""What a worker can render: its engines, and the models whose weights are on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wayframe.core.catalogue import Catalogue
from wayframe.engines.registry import names
from wayframe.errors import SpecError
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home
from wayframe.store.weights import find_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Capabilities by `only` (models, engines or capabilities that the user named; empty: everything that works)."""

    home: Home
    catalogue: Catalogue
    only: tuple[str, ...] = ()

    @staticmethod
    def of(home: Home, *, only: Sequence[str] = ()) -> Offer:
        """The offer of a machine. Raises `SpecError` for a name that is neither an engine nor a model."""
        catalogue = load_catalogue(home)
        for name in only:
            engine, _, model = name.partition(":")
            if engine not in names() and (model or engine) not in catalogue.models:
                raise SpecError(
                    "models", "is neither a model of the catalogue nor an engine", name, fix=_fix(catalogue)
                )
        return Offer(home=home, catalogue=catalogue, only=tuple(only))

    def serves(self, capability: str) -> bool:
        """Whether batches that need a capability are taken here."""
        engine, _, model = capability.partition(":")
        if engine not in names():
            return False
        if self.only:
            return bool({capability, engine, model} & set(self.only))
        return not model or self._has_weights(model, engine=engine)

    def listed(self) -> tuple[str, ...]:
        """The capabilities by name, for others to see; an engine alone stands for all that it renders without weights.

        Weights that arrive later are served, and shown after the next start.
        """
        if self.only:
            return tuple(self._full(name) for name in self.only)
        models = [
            f"{model.engine}:{name}"
            for name, model in sorted(self.catalogue.models.items())
            if model.engine in names() and find_weights(model, home=self.home)
        ]
        needing = {model.engine for model in self.catalogue.models.values()}
        return (*(name for name in names() if name not in needing), *models)

    def _has_weights(self, name: str, *, engine: str) -> bool:
        model = self.catalogue.models.get(name)
        if model is None or model.engine != engine:
            return True  # an engine of another package that brings its own
        return find_weights(model, home=self.home) is not None

    def _full(self, name: str) -> str:
        model = self.catalogue.models.get(name)
        return f"{model.engine}:{name}" if model else name


def _fix(catalogue: Catalogue) -> str:
    return f"choose from {', '.join([*names(), *catalogue.models])}"
