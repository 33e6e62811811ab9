"""Snapshots: a whole machine in one file, at any moment; the guest never notices.

`writer.write_snapshot` writes one, `reader.open_snapshot` verifies it, `restore.restore` makes a machine of
it. Unlike a host image (`hv.hostimage`: the guest has put itself to sleep and finds new devices), a snapshot
keeps the state of hart and devices: input that waits, notifications, a balloon half inflated. The machine
that is restored goes on, instruction by instruction, as the one that was saved would have. For moments that
need not outlive the process there is `Machine.freeze`.

# The file, version 3

An ELF core (ET_CORE, EM_RISCV, 64 bits, little-endian) that debuggers open, in this order:

- ELF header, and one program header for each of: the notes; each run of pages that is kept; each piece of
  those that the guest has mapped in its upper half
- note `CORE`, NT_PRSTATUS: pc and x1..x31, for debuggers
- note `THAWVISOR`, type 1: u32 version; u32 CRC-32; u32 runs; u32 bytes of state; for each run the u32 CRC-32
  of its contents; the state as JSON, a `Header`
- zeros up to a multiple of 4096
- the contents of the runs

A run is a PT_LOAD with equal virtual and physical address: whole pages, ascending, in RAM. Their contents
follow each other in the file in the same order. A page in no run is zero, or the guest
has no use for what was in it: the balloon's hinted pages are left out, and a machine that is restored tells
its guest that the round of hints is over. Runs with few zero pages between them are joined when there would
be more program headers than an ELF can have. The PT_LOADs after the runs show a debugger the same bytes at
the kernel's virtual addresses; a reader passes over them.

The CRC-32 in the note (that of zlib) is over the file from its beginning up to the contents, with four zeros
in its own place.

Bytes in the state are objects `{"hex": "..."}`, as JSON has none.

# What a reader may rely on

A file from outside is untrusted: version, sizes, order, every checksum and every field of the state are
verified, and what does not fit is an `ImageError` of one line. A machine is handed out only when all was
right. The file is written under a temporary name and renamed; it holds all of the guest's memory, so only its
owner can read it.

# The disks

The disks are not in the file; it pins them. The header has size and digest of each, and `restore` refuses a
disk that is not, byte for byte, as it was: the guest has parts of it in memory, and would write them over
whatever it holds now. To go back to a snapshot more than once, keep a copy of the disk beside it.
"""
