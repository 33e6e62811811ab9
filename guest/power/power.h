/* Inside the power management core: what its files share. */
#ifndef POWER_H
#define POWER_H

#include "blkdev.h"
#include "mm.h"

/*
 * Who carries RAM over the time without power. One PM core serves both: it freezes, calls capture()
 * with interrupts off, and thaws.
 *
 * prepare:	get what capture() will need; user tasks are frozen, kernel threads are not.
 * capture:	take the image, or let somebody take it. Returns 0 when the machine is to run on,
 *		write the image and switch itself off; or a negative errno. In the machine that wakes
 *		up from the image it does not return: hibernate_resume_entry takes over.
 * commit:	devices work again, tasks are still frozen: bring the image to where it will be found.
 * release:	give back what prepare() got: after a failure, and after waking up.
 */
struct hibernation_carrier {
	const char *name;
	int (*prepare)(void);
	int (*capture)(void);
	int (*commit)(void);
	void (*release)(void);
	/* Where the image came from, for people. */
	const char *(*source)(void);
};

extern const struct hibernation_carrier swap_carrier, platform_carrier;

/*
 * Takes the machine through one hibernation. Returns 0 after waking up from the image, or a negative
 * errno after a failure, with everything running as before. Sleeps.
 */
int hibernate(const struct hibernation_carrier *carrier);

/* ---- the snapshot in RAM (snapshot.c) ---- */

#define PFN_BITMAP_SIZE (max_pfn - min_low_pfn)

/* One bit for each page of mem_map; NULL when memory is short. */
unsigned long *pfn_bitmap_alloc(void);
void pfn_bitmap_free(unsigned long *map);

/*
 * One page of the image. Pages that hold only zeros are in its list but have no data.
 */
struct snapshot_page {
	unsigned long pfn; /* whose contents */
	bool zero;
	phys_addr_t data; /* where the copy is; 0 for a zero page */
};

int swsusp_preallocate(void);
int swsusp_save(void);
void swsusp_free(void);
unsigned long snapshot_nr_pages(void); /* listed */
unsigned long snapshot_nr_data_pages(void); /* listed and not zero */
/* Walks the snapshot by ascending pfn: start with *cursor all zero; false at the end. */
struct snapshot_cursor {
	unsigned long orig, copy; /* bits to go on from */
};
bool snapshot_next(struct snapshot_cursor *cursor, struct snapshot_page *page);

/* ---- the image's first page (image.c) ---- */

#define SWSUSP_VERSION 1
#define SWSUSP_MAX_RANGES 16
#define BUILD_ID_SIZE 20

struct mem_range {
	u64 start_pfn, end_pfn;
};

/*
 * Describes an image, so that a kernel can tell whether it is its own: same build, same RAM. The
 * list (u64 a page, ascending, top bit: all zeros) and the data pages follow it, packed, in page units.
 */
struct swsusp_info {
	u32 version;
	u32 nr_ranges;
	u8 build_id[BUILD_ID_SIZE];
	u32 pages; /* listed */
	u32 data_pages; /* that follow the list */
	u32 list_crc32, data_crc32;
	struct mem_range ranges[SWSUSP_MAX_RANGES]; /* of RAM */
	u32 crc32; /* of all before this field */
};

#define IMAGE_PFN_ZERO (1ULL << 63)
#define IMAGE_PFNS_PER_PAGE (PAGE_SIZE / sizeof(u64))

static inline unsigned long image_list_pages(const struct swsusp_info *info)
{
	return DIV_ROUND_UP((unsigned long)info->pages, IMAGE_PFNS_PER_PAGE);
}

/* Fills in all but the page counts and checksums. -E2BIG when RAM is in too many ranges. */
int swsusp_info_init(struct swsusp_info *info);
void swsusp_info_seal(struct swsusp_info *info);
/* 0 for an image that this kernel on this machine can resume, else -EINVAL, with the reason in the log. */
int swsusp_info_check(const struct swsusp_info *info);

/* ---- swap areas (swapfile.c) ---- */

#define HIBERNATE_SIG "S1SUSPEND"
#define SWAP_SIG_SIZE 10

/* The first page of a swap area, as mkswap writes it and as hibernation marks it. */
union swap_header {
	struct {
		char bootbits[1024];
		u32 version;
		u32 last_page;
		u32 nr_badpages;
	} info;
	struct {
		char reserved[PAGE_SIZE - 2 * SWAP_SIG_SIZE - sizeof(u64) - 2 * sizeof(u32)];
		u64 image; /* page number of the swsusp_info */
		u32 image_crc32; /* the swsusp_info's own: of all images that were ever here, this one */
		char orig_sig[SWAP_SIG_SIZE];
		u32 crc32; /* of all before this field, while there is an image */
		char sig[SWAP_SIG_SIZE];
	} __packed swsusp;
};

struct swap_info {
	struct block_device *bdev;
	u32 pages; /* with the header */
};

/* The active area, NULL when there is none. */
const struct swap_info *swap_area(void);

static inline u64 swap_sector(u64 page)
{
	return page * SECTORS_PER_PAGE;
}

/* ---- the mark in the header (swap.c) ---- */

/* Reads the header. 0 when it is marked, whole or damaged; -ENODATA when there is no image. */
int swsusp_check(struct block_device *bdev, union swap_header *header);
/* 0 for a mark that is whole, else -EINVAL, with the reason in the log. */
int swsusp_check_mark(const union swap_header *header);
/* Ordinary swap again, on the medium when this returns 0. */
int swsusp_unmark(struct block_device *bdev, union swap_header *header);

/* ---- many pages at once to or from a device (bio_batch.c) ---- */

struct bio_batch;

struct bio_batch *bio_batch_begin(struct block_device *bdev, enum req_op op);
/* Adds one page at a device page number; best in ascending order. Sleeps while too much is in flight. */
void bio_batch_add(struct bio_batch *batch, u64 page, phys_addr_t addr);
/* Waits for all of it; the first error, 0 when there was none. */
int bio_batch_end(struct bio_batch *batch);

/* ---- the image's pages on their way back (image_load.c) ---- */

struct image_loader;

int image_load(struct block_device *bdev, const union swap_header *header, struct image_loader **loaded);
void image_loader_free(struct image_loader *loader);
__noreturn void image_jump(struct image_loader *loader);

/* ---- the CPU (hibernate_asm.S and hibernate_cpu.c) ---- */

#define SWSUSP_RESUMED 1

/*
 * Saves the CPU's state, then calls capture() and returns its result; in the machine that wakes up
 * from the image it returns SWSUSP_RESUMED instead. Interrupts off.
 */
int swsusp_arch_suspend(int (*capture)(void));
/* Where the resumed image starts: physical, supervisor mode, satp = 0, interrupts off. */
phys_addr_t swsusp_resume_address(void);

/* A page to copy when nothing of this kernel is needed any more; the list is in such pages itself. */
struct pbe {
	phys_addr_t copy, orig;
	phys_addr_t next; /* of the list, 0 at its end */
};

/*
 * Copies the list with the code itself in `code_page` and with `pgd_page` as page table (pages that no entry
 * overwrites), then enters the image.
 */
__noreturn void swsusp_arch_resume(phys_addr_t list, void *code_page, void *pgd_page);

#endif
