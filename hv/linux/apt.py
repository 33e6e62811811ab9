"""Packages of another architecture and another release, by apt, with nothing installed and nothing changed.

apt does it all (mirrors, proxies, signatures) with a configuration of our own in a temporary folder. The
mirrors are those that this machine uses for itself.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hv.errors import HostError

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_RELEASE = re.compile(r"'(\S+)/dists/\w+/InRelease'")
_DEPENDENCY = re.compile(r"^  Depends: (\S+)$", re.MULTILINE)


class Apt:
    """An apt that knows one release and one architecture. A context manager: it has a temporary folder.

    Args:
        release: code name of a Debian release.
        architecture: Debian's name of it.

    Raises:
        HostError: there is no apt, or it has no mirror with that release.
    """

    def __init__(self, release: str, architecture: str) -> None:
        if shutil.which("apt-get") is None:
            raise HostError("this machine has no apt-get")
        self._folder = tempfile.TemporaryDirectory(prefix="thawvisor-apt-")
        self._root = Path(self._folder.name)
        sources = self._root / "sources.list"
        for folder in ("lists", "archives"):
            (self._root / folder / "partial").mkdir(parents=True)
        self._options = {
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "Acquire::Retries": "3",
            "APT::Sandbox::User": "root",  # _apt could not write here
            "Dir::Cache": str(self._root),
            "Dir::Etc::SourceList": str(sources),
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": str(self._root / "lists"),
            "Dir::State::Status": "/dev/null",
        }
        try:
            mirrors = dict.fromkeys(_RELEASE.findall(_run(["apt-get", "update", "--print-uris"])))
            signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
            lines = [f"deb {signed}{mirror} SUITE main\n" for mirror in mirrors]
            self._update(sources, "".join(lines), release)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Apt":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary folder."""
        self._folder.cleanup()

    def dependency(self, package: str) -> str:
        """Return the first package that an (empty) package depends on."""
        found = _DEPENDENCY.search(self._apt("apt-cache", "depends", package))
        if found is None:
            raise HostError(f"apt: {package} depends on nothing")
        return found[1]

    def download(self, package: str) -> Path:
        """Download a package; the file lies in the temporary folder.

        Raises:
            HostError: apt says why not.
        """
        folder = self._root / package
        folder.mkdir()
        self._apt("apt-get", "download", package, cwd=folder)
        return next(folder.glob("*.deb"))

    def _update(self, sources: Path, lines: str, release: str) -> None:
        """Fetch the lists of packages, under the release's code name or, if it has it, as `stable`.

        A cache before a mirror may hold a new index beside an old list under one name, which apt refuses, and
        a whole set under the other.
        """
        try:
            sources.write_text(lines.replace("SUITE", release))
            self._apt("apt-get", "update", "--error-on=any")
        except HostError as error:
            sources.write_text(lines.replace("SUITE", "stable"))
            self._apt("apt-get", "update", "--error-on=any")
            indices = [path.read_text() for path in (self._root / "lists").glob("*InRelease")]
            if not all(f"\nCodename: {release}\n" in index for index in indices):
                raise error from None

    def _apt(self, *command: str, cwd: Path | None = None) -> str:
        options = [f"-o{name}={value}" for name, value in self._options.items()]
        return _run([command[0], "-q", *options, *command[1:]], cwd)


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    environment: Mapping[str, str] = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
        raise HostError(f"{command[0]}: {(complaints or ['E: failed'])[0][3:]}")
    return done.stdout
