"""Settings of the whole suite."""

import gc

from hypothesis import settings

# A busy host must not fail a test, and a run must be repeatable: campaigns are where examples are random.
settings.register_profile("suite", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """Spare the search for garbage what is imported: it stays, and each look through it takes long."""
    gc.freeze()
