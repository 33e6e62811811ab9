/*
 * `balloon`: the books of the memory balloon, in pages of 4 KiB.
 *
 *	balloon			the target, the size, and what went in and out
 *	balloon stats		what the host was last told
 *	balloon hint		free page hints
 *	balloon report		free page reporting
 */
#include "plant.h"
#include "shell.h"
#include "string.h"
#include "virtio_balloon.h"
#include "virtio_config.h"
#include "virtio_ids.h"

static void show_features(const struct virtio_device *vdev)
{
	static const char *const names[] = {
		[VIRTIO_BALLOON_F_MUST_TELL_HOST] = "must-tell-host",
		[VIRTIO_BALLOON_F_STATS_VQ] = "stats",
		[VIRTIO_BALLOON_F_DEFLATE_ON_OOM] = "deflate-on-oom",
		[VIRTIO_BALLOON_F_FREE_PAGE_HINT] = "free-page-hint",
		[VIRTIO_BALLOON_F_PAGE_POISON] = "page-poison",
		[VIRTIO_BALLOON_F_REPORTING] = "free-page-reporting",
	};
	const char *separator = "";

	console_printf("features ");
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (virtio_has_feature(vdev, i)) {
			console_printf("%s%s", separator, names[i]);
			separator = ",";
		}
	console_printf("\n");
}

static void show_pages(struct virtio_balloon *vb)
{
	struct virtio_balloon_config config;

	virtio_cread_le(vb->vdev, struct virtio_balloon_config, num_pages, &config.num_pages);
	virtio_cread_le(vb->vdev, struct virtio_balloon_config, actual, &config.actual);
	shell_answer("policy", "%s", vb->pm->name);
	show_features(vb->vdev);
	shell_answer("target_pages", "%u", config.num_pages);
	shell_answer("num_pages", "%lu", vb->num_pages);
	shell_answer("actual_pages", "%u", config.actual);
	shell_answer("inflated_total", "%llu", vb->inflated_total);
	shell_answer("deflated_total", "%llu", vb->deflated_total);
	shell_answer("oom_deflated_total", "%llu", vb->oom_deflated_total);
	if (PLANTED(PLANT_READ_BALLOONED) && !list_empty(&vb->pages))
		shell_answer("first_word", "%llx", *(u64 *)page_address(virtballoon_first_page(vb)));
}

static void show_stats(struct virtio_balloon *vb)
{
	static const char *const names[] = {
		[VIRTIO_BALLOON_S_SWAP_IN] = "swap_in",
		[VIRTIO_BALLOON_S_SWAP_OUT] = "swap_out",
		[VIRTIO_BALLOON_S_MAJFLT] = "major_faults",
		[VIRTIO_BALLOON_S_MINFLT] = "minor_faults",
		[VIRTIO_BALLOON_S_MEMFREE] = "free_memory",
		[VIRTIO_BALLOON_S_MEMTOT] = "total_memory",
		[VIRTIO_BALLOON_S_AVAIL] = "available_memory",
		[VIRTIO_BALLOON_S_CACHES] = "disk_caches",
		[VIRTIO_BALLOON_S_OOM_KILL] = "oom_kill",
		[VIRTIO_BALLOON_S_ALLOC_STALL] = "alloc_stall",
		[VIRTIO_BALLOON_S_DIRECT_SCAN] = "direct_scan",
		[VIRTIO_BALLOON_S_DIRECT_RECLAIM] = "direct_reclaim",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(vb->stats); i++)
		console_printf("%s %llu\n", names[vb->stats[i].tag], vb->stats[i].val);
}

static void show_hint(struct virtio_balloon *vb)
{
	shell_answer("cmd_id", "%u", vb->cmd_id_received);
	shell_answer("hinted_pages", "%lu", vb->shrinker.count_objects(&vb->shrinker));
	shell_answer("hinted_total", "%llu", vb->hinted_total);
}

static void show_report(struct virtio_balloon *vb)
{
	shell_answer("reported_pages", "%lu", nr_reported_pages());
	shell_answer("reported_total", "%llu", vb->reported_total);
}

static const struct {
	const char *name;
	unsigned int feature;
	void (*show)(struct virtio_balloon *vb);
} parts[] = {
	{ "stats", VIRTIO_BALLOON_F_STATS_VQ, show_stats },
	{ "hint", VIRTIO_BALLOON_F_FREE_PAGE_HINT, show_hint },
	{ "report", VIRTIO_BALLOON_F_REPORTING, show_report },
};

static int cmd_balloon(int argc, char **argv)
{
	struct virtio_device *vdev = virtio_find_device(VIRTIO_ID_BALLOON);
	struct virtio_balloon *vb;

	if (!vdev)
		return -ENODEV;
	vb = vdev->priv;
	if (argc == 1) {
		mutex_lock(&vb->balloon_lock);
		show_pages(vb);
		mutex_unlock(&vb->balloon_lock);
		return 0;
	}
	for (unsigned int i = 0; argc == 2 && i < ARRAY_SIZE(parts); i++) {
		if (strcmp(parts[i].name, argv[1]))
			continue;
		if (!virtio_has_feature(vdev, parts[i].feature))
			return -EOPNOTSUPP;
		parts[i].show(vb);
		return 0;
	}
	return -EINVAL;
}

SHELL_COMMAND(balloon, "[stats|hint|report]: the balloon's books; what the host was told of the memory", cmd_balloon);
