"""How many examples the property tests try, and the count of them."""

from __future__ import annotations

import functools
import os
from collections import Counter

from hypothesis import HealthCheck, settings

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


EXAMPLES = Counter()
"""Examples run by the name of their test, shown at the end of a nightly run."""


TABLE = []
"""Lines on what each reader was tried with, shown likewise."""


settings.register_profile(
    "usual",
    deadline=None,  # on a busy machine everything takes long
    derandomize=not NIGHTLY,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("usual")


def counted(test):
    """The test, counting its examples."""

    @functools.wraps(test)
    def count_and_run(*drawn, **named):
        EXAMPLES[test.__name__] += 1
        return test(*drawn, **named)

    return count_and_run


def examples(usual, nightly):
    """Hypothesis settings: few and always the same examples in the ordinary run, many and new ones each night."""
    return settings(max_examples=nightly if NIGHTLY else usual, print_blob=NIGHTLY)
