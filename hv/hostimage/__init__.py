"""The host image: a guest's RAM in a file, from the moment that it hibernated to the platform.

`writer.write_image` writes it, `reader.open_image` verifies and loads it; `hv.hibernate` uses both. There
is no CPU or device state in it: what the firmware needs to resume the guest is in its own part of RAM. (A
file with device state is a snapshot: another thing, another format.)

# The file, version 2

All numbers are little-endian; a page is 4096 bytes; nothing lies between the parts or after the last.

- prologue: magic `THAWRAM\\n`; u32 version; u32 bytes of header; u32 rows in table; u32 CRC-32
- header: JSON, a `Header`
- table: one row a chunk: u32 first page (RAM's first is 0); u32 pages (1..256); u32 CRC-32 of its contents
- contents: the pages of every row, in the order of the table

The CRC-32 in the prologue (that of zlib) is over the prologue up to it, the header and the table. Rows
ascend and do not overlap. A page in no row is zero on resume: it was in the balloon, never touched, or held
only zeros.

# What a reader may rely on

A file from outside is untrusted: sizes, order, overlap and every checksum are verified, and what does not
fit is an `ImageError`. `HostImage.load` fills RAM that nobody has seen yet and hands it out only when the
last checksum was right, so no part of a bad image is ever run, and a file that changes while it is read is
noticed.

A file is written under a temporary name in its own folder, synced, renamed, and the folder synced: under
its name there is always a whole image, the old or the new. It holds all of the guest's memory, so only its
owner can read it (mode 0600).

# Thawing twice

An image is a value: thawing it does not consume it, and without disks it may be thawed a thousand times.
With disks, the second thaw would put the memory of then over the files of now. So the header pins each disk
by its size and a digest of its contents, and `HostImage.check` refuses a disk that is not, byte for byte,
the one the guest went to sleep with; where it lies and what it is called do not matter. The first thaw's
first write to the disk ends the image's life over this disk, but not over a copy made before.
"""
