"""Settings of the whole suite."""

import gc
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    deadline=None,  # a busy host must not fail a test
    derandomize=True,  # and a run must be repeatable
    print_blob=True,
    # Slowness is the host's; of fixtures that all examples share, tests that use one know.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")

# A shell without job control starts its background jobs deaf to Ctrl-C, with all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Spare the search for garbage what is imported: it stays, and each look through it takes long."""
    gc.freeze()
