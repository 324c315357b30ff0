"""Tensors that were made before, by the content that they were made from; the oldest go when it gets too many."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from torch import Tensor


class TensorCache:
    """At most `limit` bytes of tensors in the main memory; of those that are too many, the longest unused ones go.

    A tensor is shared with everybody who asks for it: nobody may write into it.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What is held now."""
        return self._bytes

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """The tensor of `key`, on the CPU; `make` is asked for it when it is not held.

        One that is larger than the limit is not kept; of a view, only what it shows is.
        """
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        made = make().cpu()
        if made.nbytes < made.untyped_storage().nbytes():
            made = made.clone()
        self._keep(key, made)
        return made

    def _keep(self, key: Hashable, tensor: Tensor) -> None:
        if tensor.nbytes > self._limit:
            return
        self._held[key] = tensor
        self._bytes += tensor.nbytes
        while self._bytes > self._limit:
            self._bytes -= self._held.popitem(last=False)[1].nbytes
