"""Errors that a user sees, in one tree.

```
ThawvisorError          one line that names the cause and the fix; the command line exits with status 2
├── ConfigError         an option or a combination of options that cannot work
├── ImageError          a file from outside (ELF, disk, host image, device tree) that is refused
└── HostError           this host cannot do it (library, memory, terminal)
```

A guest's fault is no exception: it ends a run with a `StopReason` (`hv.machine`). A device's own errors
(`devices.errors.DeviceError`) are the guest's doing and stay inside the device. Whatever else escapes is our
bug.
"""


class ThawvisorError(Exception):
    """Base of everything a user can cause and mend; `str()` is one line that names the cause and the fix."""


class ConfigError(ThawvisorError):
    """An option, or a combination of options, that cannot work."""


class ImageError(ThawvisorError):
    """A file from outside that is refused: missing, truncated, corrupt, or for another machine."""


class HostError(ThawvisorError):
    """The host lacks something the machine needs."""
