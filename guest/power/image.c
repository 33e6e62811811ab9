/*
 * The image's first page: what must be the same for an image to be resumed.
 *
 * The kernel must be the same build, because the code that resumes jumps into
 * the image's; and RAM must be laid out the same. The device tree's place and
 * contents need not match: nothing reads it after boot.
 */
#include "crc32.h"
#include "power.h"
#include "string.h"

/* kernel.ld puts the build id's ELF note here. */
extern const char __start_notes[], __stop_notes[];

#define NOTE_HEADER_SIZE 16 /* three words, and "GNU" with its zero */

static const u8 *kernel_build_id(void)
{
	return __stop_notes - __start_notes >= NOTE_HEADER_SIZE + BUILD_ID_SIZE ?
		       (const u8 *)__start_notes + NOTE_HEADER_SIZE :
		       NULL;
}

int swsusp_info_init(struct swsusp_info *info)
{
	const u8 *build_id = kernel_build_id();
	unsigned long start, end;
	unsigned int i;

	memset(info, 0, sizeof(*info));
	if (!build_id)
		return -EINVAL;
	info->version = SWSUSP_VERSION;
	memcpy(info->build_id, build_id, BUILD_ID_SIZE);
	for_each_mem_pfn_range(i, start, end) {
		if (i == SWSUSP_MAX_RANGES)
			return -E2BIG;
		info->ranges[i] = (struct mem_range){ start, end };
	}
	info->nr_ranges = i;
	return 0;
}

static u32 info_crc32(const struct swsusp_info *info)
{
	return crc32(0, info, offsetof(struct swsusp_info, crc32));
}

void swsusp_info_seal(struct swsusp_info *info)
{
	info->crc32 = info_crc32(info);
}

static const char *info_mismatch(const struct swsusp_info *info, const struct swsusp_info *own)
{
	if (info->version != own->version)
		return "image format";
	if (memcmp(info->build_id, own->build_id, BUILD_ID_SIZE))
		return "kernel build";
	if (info->nr_ranges != own->nr_ranges || memcmp(info->ranges, own->ranges, sizeof(own->ranges)))
		return "memory layout";
	if (info->data_pages > info->pages || !info->data_pages || info->pages > PFN_BITMAP_SIZE)
		return "page counts";
	return NULL;
}

int swsusp_info_check(const struct swsusp_info *info)
{
	struct swsusp_info own;
	const char *mismatch;
	int err;

	if (info->crc32 != info_crc32(info)) {
		pr_err("PM: Image mismatch: checksum of the image header\n");
		return -EINVAL;
	}
	err = swsusp_info_init(&own);
	if (err)
		return err;
	mismatch = info_mismatch(info, &own);
	if (mismatch) {
		pr_err("PM: Image mismatch: %s\n", mismatch);
		return -EINVAL;
	}
	return 0;
}
