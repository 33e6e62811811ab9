/* `balloon`: the books of the memory balloon, in pages of 4 KiB. */
#include "mm.h"
#include "plant.h"
#include "shell.h"
#include "virtio_balloon.h"
#include "virtio_config.h"
#include "virtio_ids.h"

static int cmd_balloon(int argc, char **argv)
{
	struct virtio_device *vdev = virtio_find_device(VIRTIO_ID_BALLOON);
	struct virtio_balloon_config config;
	struct virtio_balloon *vb;

	if (!vdev)
		return -ENODEV;
	vb = vdev->priv;
	mutex_lock(&vb->balloon_lock);
	virtio_cread_le(vdev, struct virtio_balloon_config, num_pages, &config.num_pages);
	virtio_cread_le(vdev, struct virtio_balloon_config, actual, &config.actual);
	shell_answer("policy", "%s", vb->pm->name);
	shell_answer("target_pages", "%u", config.num_pages);
	shell_answer("num_pages", "%lu", vb->num_pages);
	shell_answer("actual_pages", "%u", config.actual);
	shell_answer("inflated_total", "%llu", vb->inflated_total);
	shell_answer("deflated_total", "%llu", vb->deflated_total);
	if (PLANTED(PLANT_READ_BALLOONED) && !list_empty(&vb->pages))
		shell_answer("first_word", "%llx", *(u64 *)page_address(virtballoon_first_page(vb)));
	mutex_unlock(&vb->balloon_lock);
	return 0;
}

SHELL_COMMAND(balloon, "the balloon's target and size, and what went in and out", cmd_balloon);
