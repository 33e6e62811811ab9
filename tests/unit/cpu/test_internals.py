"""The proof that Unicorn is the known one, and the refusal when it is not."""

import pytest

from hv.cpu import engine, internals, proof
from hv.errors import HostError


@pytest.mark.parametrize("name", internals.OFFSETS)
@pytest.mark.parametrize("distance", [-8, 8])
def test_a_wrong_expectation_is_refused(name: str, distance: int) -> None:
    """An offset that is off by a word makes the start fail with one line that names the version wanted."""
    with pytest.raises(HostError, match=r"unicorn==2\.1\.4") as refusal:
        proof.verify(internals.OFFSETS | {name: internals.OFFSETS[name] + distance})
    assert "\n" not in str(refusal.value)


def test_the_refusal_names_what_did_not_match() -> None:
    """The message names the field that is not where it should be."""
    with pytest.raises(HostError, match="ENV_SCAUSE"):
        proof.verify(internals.OFFSETS | {"ENV_SCAUSE": internals.OFFSETS["ENV_SCAUSE"] + 16})


def test_a_missing_function_is_refused() -> None:
    """A library without one of the internal functions is refused by the function's name."""
    with pytest.raises(HostError, match="no function riscv_cpu_sing_riscv64"):
        internals.function("riscv_cpu_sing")


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version whose internals nobody has looked at is refused before anything is read."""
    monkeypatch.setattr(engine, "VERSION", (2, 1, 99))
    engine.library.cache_clear()
    try:
        with pytest.raises(HostError, match=r"version 2\.1\.4: .*unicorn==2\.1\.99"):
            engine.library()
    finally:
        engine.library.cache_clear()


def test_the_known_library_is_accepted() -> None:
    """The library that is installed passes."""
    proof.verify()
