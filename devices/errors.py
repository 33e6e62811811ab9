"""The root of what can go wrong between the host and a device.

::

    DeviceError
    ├── GuestMemoryError    devices.memory: an address or length outside guest RAM
    ├── StateError          devices.state: saved state that does not describe this device
    ├── BrokenRingError     devices.virtio.queue: a driver's ring that the device cannot use
    ├── BackendError        devices.virtio.backends: a disk file that cannot be used
    └── PowerCutError       devices.virtio.backends: the power went; only a test's disk raises it

A guest's fault never leaves the device that met it: registers answer, and a broken ring ends in
DEVICE_NEEDS_RESET. What does leave a public method here is the host's mistake or a bad file, with a one-line
message that names the cause.
"""


class DeviceError(Exception):
    """Anything a device refuses to do."""
