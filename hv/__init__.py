"""The hypervisor: board, CPU, machine, host image, command line. It imports `devices`, never the reverse."""
