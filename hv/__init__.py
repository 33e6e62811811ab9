"""The hypervisor: board, CPU, machine, hibernation image, command line. It imports `devices`; nothing imports it back."""
