/* `virtio`: the devices, and what was agreed on with each. */
#include "shell.h"
#include "virtio_config.h"

static int cmd_virtio(int argc, char **argv)
{
	struct virtio_device *vdev;

	list_for_each_entry(vdev, &virtio_devices, list)
		console_printf("%s %s status %x features %llx\n", vdev->name,
			       vdev->driver ? vdev->driver->name : "-", vdev->config->get_status(vdev),
			       (unsigned long long)vdev->features);
	return 0;
}

SHELL_COMMAND(virtio, "virtio devices: driver, status, features (both hexadecimal)", cmd_virtio);
