/*
 * The ring kernels of devices/virtio/kernels.py as a C programmer would write them: the same arrays, the same checks,
 * the same codes, and the layout of the ring as structs. Compiled at -O2 for this machine, called through ctypes; an
 * array comes as its address and its rows.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define VRING_DESC_F_NEXT 1
#define VRING_DESC_F_WRITE 2
#define VRING_DESC_F_INDIRECT 4

#define MAX_CHAIN_BYTES (1LL << 32)
#define MAX_PFNS 16384

enum {
	RAM_BASE, SIZE, DESC, AVAIL, USED, INDIRECT, EVENT_IDX, IN_ORDER, NOTIFY_ON_EMPTY,
	NEXT_AVAIL, NEXT_USED, SIGNALLED, WAITING, CULPRIT
};
enum { PFNS, OUTSIDE, REPEATED, CHANGED, IGNORED, ODD, EMPTY, RANGES };
enum {
	RING_OUTSIDE_RAM = -1,
	AVAIL_IDX_RUNS_AWAY = -2,
	INDEX_OUTSIDE_TABLE = -3,
	CHAIN_TOO_LONG = -4,
	CHAIN_TOO_MANY_BYTES = -5,
	BUFFER_OUTSIDE_RAM = -6,
	READABLE_AFTER_WRITABLE = -7,
	INDIRECT_NOT_NEGOTIATED = -8,
	INDIRECT_NESTED = -9,
	INDIRECT_WITH_NEXT = -10,
	INDIRECT_LENGTH = -11,
	INDIRECT_OUTSIDE_RAM = -12,
};

/* A guest may align a table as it likes (an indirect one), so nothing is assumed. */
struct __attribute__((packed)) vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct __attribute__((packed)) vring_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

struct __attribute__((packed)) pfn {
	uint32_t number;
};

struct chain {
	int64_t head, first, readable, writable, written;
};

struct segment {
	int64_t offset, length;
};

struct range {
	int64_t page, pages;
};

static bool inside(int64_t place, int64_t length, int64_t limit)
{
	return place >= 0 && length <= limit && place <= limit - length;
}

static bool ring_inside(const int64_t *ring, int64_t limit)
{
	int64_t size = ring[SIZE];

	return size > 0 && inside(ring[DESC], 16 * size, limit) && inside(ring[AVAIL], 6 + 2 * size, limit) &&
	       inside(ring[USED], 6 + 8 * size, limit);
}

static int indirect_fault(bool negotiated, unsigned int flags, bool nested, int64_t place, int64_t length,
			  int64_t ram_bytes)
{
	if (!negotiated)
		return INDIRECT_NOT_NEGOTIATED;
	if (nested)
		return INDIRECT_NESTED;
	if (flags & VRING_DESC_F_NEXT)
		return INDIRECT_WITH_NEXT;
	if (!length || length % sizeof(struct vring_desc))
		return INDIRECT_LENGTH;
	if (!inside(place, length, ram_bytes))
		return INDIRECT_OUTSIDE_RAM;
	return 0;
}

/* Puts one chain into *chain and segments[chain->first..]; returns 0 or a code. */
static int fetch_chain(const uint8_t *ram, int64_t ram_bytes, const int64_t *ring, struct chain *chain,
		       struct segment *segments)
{
	const struct vring_desc *table = (const void *)(ram + ring[DESC]);
	int64_t entries = ring[SIZE], index = chain->head, buffers = 0, total = 0;
	struct segment *segment = segments + chain->first;
	bool nested = false, seen_writable = false;

	for (;;) {
		const struct vring_desc *desc = table + index;
		int64_t place, length;
		unsigned int flags;
		int fault;

		if (index >= entries)
			return INDEX_OUTSIDE_TABLE;
		place = (int64_t)desc->addr >= ring[RAM_BASE] ? (int64_t)desc->addr - ring[RAM_BASE] : -1;
		length = desc->len;
		flags = desc->flags;
		if (flags & VRING_DESC_F_INDIRECT) {
			fault = indirect_fault(ring[INDIRECT], flags, nested, place, length, ram_bytes);
			if (fault)
				return fault;
			nested = true;
			table = (const void *)(ram + place);
			entries = length / sizeof(*table);
			index = 0;
			continue;
		}
		if (buffers == ring[SIZE])
			return CHAIN_TOO_LONG;
		buffers++;
		total += length;
		if (total > MAX_CHAIN_BYTES)
			return CHAIN_TOO_MANY_BYTES;
		if (flags & VRING_DESC_F_WRITE)
			seen_writable = true;
		else if (seen_writable)
			return READABLE_AFTER_WRITABLE;
		if (length) {
			if (!inside(place, length, ram_bytes))
				return BUFFER_OUTSIDE_RAM;
			*segment++ = (struct segment){ place, length };
			if (seen_writable)
				chain->writable++;
			else
				chain->readable++;
		}
		if (!(flags & VRING_DESC_F_NEXT))
			return 0;
		index = desc->next;
	}
}

int64_t fetch(uint8_t *ram, int64_t ram_bytes, int64_t *ring, int64_t ring_words, int64_t limit, struct chain *chains,
	      int64_t chain_rows, struct segment *segments, int64_t segment_rows)
{
	const struct vring_avail *avail = (const void *)(ram + ring[AVAIL]);
	int64_t size = ring[SIZE], room = segment_rows - size, taken = 0, first = 0, waiting, most;
	uint16_t position = ring[NEXT_AVAIL];
	int code = 0;

	if (!ring_inside(ring, ram_bytes))
		return RING_OUTSIDE_RAM;
	waiting = (uint16_t)(avail->idx - position);
	if (waiting > size)
		return AVAIL_IDX_RUNS_AWAY;
	waiting = waiting < limit ? waiting : limit;
	most = waiting < chain_rows ? waiting : chain_rows;
	while (taken < most && first <= room) {
		struct chain chain = { .head = avail->ring[position & (size - 1)], .first = first };

		code = fetch_chain(ram, ram_bytes, ring, &chain, segments);
		if (code) {
			if (taken)
				break;
			ring[CULPRIT] = chain.head;
			return code;
		}
		first += chain.readable + chain.writable;
		chains[taken++] = chain;
		position++;
	}
	ring[NEXT_AVAIL] = position;
	ring[WAITING] = waiting - taken;
	if (ring[EVENT_IDX])
		*(uint16_t *)(ram + ring[USED] + 4 + 8 * size) = position;
	return taken;
}

static int64_t collect_pfns(const uint8_t *ram, const struct chain *chains, const struct segment *segments, int64_t row,
			    int64_t count, int64_t *pfns, int64_t room, int64_t *tally)
{
	int64_t found = 0;

	for (; row < count; row++) {
		const struct segment *segment = segments + chains[row].first, *end = segment + chains[row].readable;
		int64_t total = 0, wanted, stop;
		uint32_t partial = 0;
		int bits = 0;

		for (const struct segment *s = segment; s < end; s++)
			total += s->length;
		wanted = total / 4 < MAX_PFNS ? total / 4 : MAX_PFNS;
		if (found + wanted > room)
			break;
		tally[IGNORED] += total / 4 - wanted;
		tally[ODD] += total % 4 != 0;
		tally[EMPTY] += total < 4;
		stop = found + wanted;
		for (; segment < end; segment++) {
			const uint8_t *at = ram + segment->offset;
			int64_t left = segment->length;

			while (left > 0 && found < stop) {
				if (!bits && left >= 4) {
					const struct pfn *pfn = (const void *)at;
					int64_t whole = left / 4 < stop - found ? left / 4 : stop - found;

					for (int64_t i = 0; i < whole; i++)
						pfns[found + i] = pfn[i].number;
					found += whole;
					at += 4 * whole;
					left -= 4 * whole;
					continue;
				}
				partial |= (uint32_t)*at++ << bits;
				bits += 8;
				left--;
				if (bits == 32) {
					pfns[found++] = partial;
					partial = 0;
					bits = 0;
				}
			}
		}
	}
	tally[PFNS] += found;
	return row;
}

static int upwards(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

static void sort(int64_t *pfns, int64_t found)
{
	bool up = true, down = true;

	for (int64_t i = 1; i < found; i++) {
		up &= pfns[i - 1] <= pfns[i];
		down &= pfns[i - 1] >= pfns[i];
	}
	if (up)
		return;
	if (!down) {
		qsort(pfns, found, sizeof(*pfns), upwards);
		return;
	}
	for (int64_t i = 0; i < found / 2; i++) {
		int64_t other = pfns[found - 1 - i];

		pfns[found - 1 - i] = pfns[i];
		pfns[i] = other;
	}
}

static int64_t coalesce(int64_t *pfns, int64_t found, int64_t first_pfn, int64_t pages, struct range *ranges,
			int64_t *tally)
{
	int64_t rows = 0, end = -1;

	sort(pfns, found);
	for (int64_t i = 0; i < found; i++) {
		int64_t page = pfns[i] - first_pfn;

		if (page < 0 || page >= pages) {
			tally[OUTSIDE]++;
		} else if (page < end) {
			tally[REPEATED]++;
		} else if (page == end) {
			ranges[rows - 1].pages++;
			end++;
		} else {
			ranges[rows++] = (struct range){ page, 1 };
			end = page + 1;
		}
	}
	return rows;
}

static void mark(bool *ballooned, const struct range *ranges, int64_t rows, bool inflate, int64_t *tally)
{
	for (int64_t row = 0; row < rows; row++) {
		for (int64_t page = ranges[row].page; page < ranges[row].page + ranges[row].pages; page++) {
			if (ballooned[page] == inflate) {
				tally[REPEATED]++;
			} else {
				ballooned[page] = inflate;
				tally[CHANGED]++;
			}
		}
	}
}

int64_t exchange_pages(const uint8_t *ram, int64_t ram_bytes, const struct chain *chains, int64_t chain_rows,
		       const struct segment *segments, int64_t segment_rows, int64_t row, int64_t count,
		       int64_t first_pfn, bool *ballooned, int64_t pages, int64_t inflate, int64_t *pfns, int64_t room,
		       struct range *ranges, int64_t range_rows, int64_t *tally, int64_t tally_words)
{
	int64_t before = tally[PFNS], rows;

	row = collect_pfns(ram, chains, segments, row, count, pfns, room, tally);
	rows = coalesce(pfns, tally[PFNS] - before, first_pfn, pages, ranges, tally);
	mark(ballooned, ranges, rows, inflate, tally);
	tally[RANGES] = rows;
	return row;
}
