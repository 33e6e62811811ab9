"""Making a kit: archives read and written, and what is said when something is missing."""

import io
import lzma
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hv.errors import HostError, ImageError
from hv.linux import apt, cpio
from hv.linux.deb import read_members
from hv.linux.initramfs import MODULES
from hv.linux.kit import Kit, assemble, ensure, fetch

PARTS = {
    "./boot/vmlinux-6.12-riscv64": b"kernel",
    "./usr/bin/busybox": b"busybox",
    "./usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin": b"opensbi",
    **{f"./usr/lib/modules/6.12/kernel/{name}.ko.xz": lzma.compress(name.encode()) for name in MODULES},
}

APT = """#!/bin/sh
here=$(dirname "$0")
for last; do :; done
case "$*" in
*--print-uris*) echo "'http://mirror/dists/bookworm/InRelease' mirror_dists_bookworm_InRelease 0" ;;
*depends*) echo "  Depends: linux-image-6.12-riscv64" ;;
*--error-on*)
	for each; do case $each in -oDir::Etc::SourceList=*) list=${each#*=} ;; esac; done
	if grep -q trixie "$list"; then echo "E: Mirror sync in progress?" >&2; exit 100; fi
	printf 'Suite: stable\nCodename: %s\n' "$CODENAME" >"${list%/*}/lists/mirror_InRelease" ;;
*download*) echo "$last" >>"$here/downloads"; cp "$here/$last.deb" . ;;
esac
"""
"""An apt that has the packages beside it, and keeps a list of what was asked for.

Its mirror is not in order under the code name trixie, and what it calls stable is `$CODENAME`.
"""


def package(path: Path, files: dict[str, bytes]) -> Path:
    """Write a Debian package with these files."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": tar.getvalue()}
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, data in members.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode())
            file.write(data + b"\n" * (len(data) % 2))
    return path


def entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Read a newc archive: mode and contents by path, the trailer included."""
    found = {}
    at = 0
    while at < len(archive):
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, length = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + length - 1].decode()
        data = at + 110 + length + -(110 + length) % 4
        found[name] = mode, archive[data : data + size]
        at = data + size + -size % 4
    return found


def test_an_archive_holds_what_was_put_in() -> None:
    """Types, permissions and contents come out again, and the same entries make the same bytes."""
    parts = [
        cpio.directory("bin"),
        cpio.file("bin/program", b"odd length.", executable=True),
        cpio.file("empty", b""),
        cpio.character_device("console", 5, 1),
    ]
    archive = cpio.archive(parts)
    assert archive == cpio.archive(parts)
    assert entries(archive) == {
        "bin": (0o40755, b""),
        "bin/program": (0o100755, b"odd length."),
        "empty": (0o100644, b""),
        "console": (0o20600, b""),
        "TRAILER!!!": (0, b""),
    }


def test_a_kit_from_packages(tmp_path: Path) -> None:
    """Kernel, firmware, drivers and busybox come out of the packages, whichever has which."""
    names = list(PARTS)
    packages = [
        package(tmp_path / f"{half}.deb", {name: PARTS[name] for name in names[half::2]}) for half in (0, 1)
    ]
    kit = assemble(tmp_path / "new" / "kit", packages)
    assert kit.complete
    assert (kit.kernel.read_bytes(), kit.opensbi.read_bytes()) == (b"kernel", b"opensbi")
    inside = entries(kit.initrd.read_bytes())
    assert inside["bin/busybox"] == (0o100755, b"busybox")
    assert inside["lib/modules/virtio-rng.ko"] == (0o100644, b"virtio-rng")
    assert inside["init"][1].startswith(b"#!/bin/busybox sh\n")
    kit.recipe.write_text("of another day")
    assert not kit.complete


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """A package too few, or a file that is none, is one line that names what to give."""
    some = package(tmp_path / "some.deb", {"./usr/bin/busybox": b"busybox"})
    with pytest.raises(HostError, match=r"lack a kernel .* give linux-image-.*, busybox-static, opensbi"):
        assemble(tmp_path / "kit", [some])
    assert not Kit(tmp_path / "kit").complete
    for data, message in ((b"text", "not a Debian package"), (some.read_bytes()[:200], "broken|no data")):
        (tmp_path / "bad.deb").write_bytes(data)
        with pytest.raises(ImageError, match=message):
            read_members(tmp_path / "bad.deb", lambda _path: True)


def test_a_kit_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that need the kit at the same time one downloads it, from the right release."""
    wanted = ["busybox-static", "linux-image-6.12-riscv64", "opensbi"]
    for name, files in zip(wanted, (PARTS, {}, {}), strict=True):
        package(tmp_path / f"{name}.deb", files)
    for name in ("apt-get", "apt-cache"):
        (tmp_path / name).write_text(APT)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CODENAME", "forky")
    with pytest.raises(HostError, match="Mirror sync in progress"):
        ensure(tmp_path / "kit")
    monkeypatch.setenv("CODENAME", "trixie")
    folders = [tmp_path / "kit"] * 4
    with ThreadPoolExecutor(len(folders)) as users:
        kits = list(users.map(ensure, folders))
    assert all(kit.complete for kit in kits)
    assert sorted((tmp_path / "downloads").read_text().split()) == wanted


def test_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without apt is told which packages to bring, and to which command."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match=r"no apt-get; bring the packages .*`thawvisor linux fetch FILE\.deb"):
        fetch(tmp_path / "kit")
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match=r"Not a directory; give another --dir"):
        fetch(tmp_path / "file" / "kit")
    with pytest.raises(HostError):
        apt.Apt("trixie", "riscv64")
