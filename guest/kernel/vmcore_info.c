/*
 * VMCOREINFO: the kernel's data structures, for whoever reads them from outside.
 *
 * How to tell what a page is. mem_map[pfn - min_low_pfn] is its struct page, and says so for every pfn
 * below zone.first_deferred_pfn (or max_pfn):
 *
 *	PG_buddy in flags	it heads a free block of 2^order pages; the other pages of the block have no
 *				flags that mean anything
 *	PG_reported		with PG_buddy: the host knows that the block is free; without it: the head of a free block
 *				of 2^order pages that the host is being told of, and that is on no list
 *	PG_offline		the driver's books have it in the balloon
 *	PG_slab, PG_large	kmalloc's: small objects; the head of an object of 2^order pages
 *	PG_touched		filled by the shell's touch
 *	PG_reserved		never the allocator's
 *	none			in use; the first page of what alloc_pages() gave has its order
 *
 * From zone.first_deferred_pfn on there are no struct pages yet. A page there is free if it lies in
 * memblock_memory and not in memblock_reserved, else it is reserved.
 *
 * The balloon's own books are its driver's: the device on the list virtio_devices whose device_id is
 * VIRTIO_ID_BALLOON, priv, and there num_pages and the lists of pages, linked through page.lru.
 *
 * Linux: kernel/vmcore_info.c, arch/riscv/kernel/vmcore_info.c.
 */
#include "vmcore_info.h"

#include "memblock.h"
#include "mm.h"
#include "pgtable.h"
#include "virtio_balloon.h"
#include "virtio_ids.h"

char vmcoreinfo_data[PAGE_SIZE];
size_t vmcoreinfo_size;

static __printf(2, 3) void append_str(size_t *size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	*size += vsnprintf(vmcoreinfo_data + *size, sizeof(vmcoreinfo_data) - *size, fmt, args);
	va_end(args);
	BUG_ON(*size >= sizeof(vmcoreinfo_data));
}

#define SYMBOL(name) append_str(&size, "SYMBOL(" #name ")=%lx\n", (unsigned long)&name)
#define STRUCT_SIZE(name) append_str(&size, "SIZE(" #name ")=%zu\n", sizeof(struct name))
#define OFFSET(name, field) append_str(&size, "OFFSET(" #name "." #field ")=%zu\n", offsetof(struct name, field))
#define LENGTH(name, n) append_str(&size, "LENGTH(" #name ")=%lu\n", (unsigned long)(n))
#define NUMBER(name) append_str(&size, "NUMBER(" #name ")=%ld\n", (long)(name))

void crash_save_vmcoreinfo_init(void)
{
	size_t size = 0;

	append_str(&size, "OSRELEASE=thawvisor-toy\n");
	append_str(&size, "PAGESIZE=%lu\n", PAGE_SIZE);
	append_str(&size, "NUMBER(PAGE_OFFSET)=0x%lx\n", PAGE_OFFSET);
	append_str(&size, "NUMBER(phys_ram_base)=0x%llx\n", (unsigned long long)PFN_PHYS(min_low_pfn));
	SYMBOL(swapper_pg_dir);

	SYMBOL(mem_map);
	SYMBOL(min_low_pfn);
	SYMBOL(max_pfn);
	STRUCT_SIZE(page);
	OFFSET(page, flags);
	OFFSET(page, order);
	OFFSET(page, lru);
	OFFSET(page, private);
	NUMBER(PG_reserved);
	NUMBER(PG_buddy);
	NUMBER(PG_slab);
	NUMBER(PG_large);
	NUMBER(PG_offline);
	NUMBER(PG_touched);
	NUMBER(PG_reported);

	SYMBOL(zone);
	OFFSET(zone, managed_pages);
	OFFSET(zone, free_pages);
	OFFSET(zone, offline_pages);
	OFFSET(zone, min_pages);
	OFFSET(zone, first_deferred_pfn);
	OFFSET(zone, free_area);
	LENGTH(zone.free_area, ARRAY_SIZE(zone.free_area));
	STRUCT_SIZE(list_head);
	OFFSET(list_head, next);
	OFFSET(list_head, prev);

	SYMBOL(memblock_memory);
	SYMBOL(memblock_reserved);
	OFFSET(memblock_type, cnt);
	OFFSET(memblock_type, regions);
	STRUCT_SIZE(memblock_region);
	OFFSET(memblock_region, base);
	OFFSET(memblock_region, size);

	SYMBOL(virtio_devices);
	OFFSET(virtio_device, list);
	OFFSET(virtio_device, device_id);
	OFFSET(virtio_device, priv);
	NUMBER(VIRTIO_ID_BALLOON);
	OFFSET(virtio_balloon, num_pages);
	OFFSET(virtio_balloon, pages);
	OFFSET(virtio_balloon, in_flight);
	barrier();
	vmcoreinfo_size = size;
}
