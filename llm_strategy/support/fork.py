"""What does not survive a fork: locks that other threads held, and threads themselves. Their owners make them anew."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Owner(Protocol):
    """Has something that no child of its process can use."""

    def renew(self) -> None:
        """Make it anew: this is a child, and no other thread is in it."""


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()


def renewed_in_child(owner: Owner) -> None:
    """Have the owner ``renew`` in every process that is forked from this one."""
    _owners.add(owner)


def _renew_all() -> None:
    for owner in tuple(_owners):
        owner.renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_all)
