/*
 * Bugs on purpose. A finder of bugs is itself tested with kernels that have one: `-DPLANT_x` builds such a
 * kernel. Each is one statement, in the function that it names; without its flag the statement is not
 * compiled at all, and a kernel has none of them.
 *
 * name				function		what it does wrong
 *
 * PLANT_READ_BALLOONED		cmd_balloon		reads the first page of the balloon (its thread: sh)
 * PLANT_WRITE_BALLOONED	update_balloon_size	notes the size in the first page of the balloon
 * PLANT_REUSE_BEFORE_ACK	leak_balloon		writes to pages that the host has not let go of yet
 * PLANT_READ_LOST		release_pages_balloon	expects contents in a page that was in the balloon
 * PLANT_READ_STALE		discard_restore		expects contents in a page that was in the balloon before
 *							the sleep (balloon.policy=discard)
 * PLANT_INFLATE_TWICE		fill_balloon		names its first page twice and its last one never
 * PLANT_INFLATE_OUTSIDE_RAM	fill_balloon		names the page behind the end of RAM instead of its first
 * PLANT_DEFLATE_STRANGER	leak_balloon		names a page that was never in the balloon instead of its
 *							first
 * PLANT_LEAK_ON_DEFLATE	release_pages_balloon	forgets to free one page
 * PLANT_FREE_BALLOONED		fill_balloon		frees one page that it has just given to the host, and
 *							counts it still
 * PLANT_ACTUAL_OFF_BY_ONE	update_balloon_size	reports one page more than there are
 * PLANT_NUM_PAGES_OFF_BY_ONE	release_pages_balloon	counts one page that has left, once
 * PLANT_STATS_NOT_REPRIMED	balloon_stats_prepare	gives its statistics buffer to the first device only, not to
 *							the one that it wakes up with
 * PLANT_HINT_NOT_INITIALISED	return_free_pages_to_mm	frees hinted pages as they are while the host may change them
 * PLANT_POISON_NOT_REWRITTEN	balloon_poison_prepare	tells the first device only what free memory holds
 * PLANT_REPORT_TOO_LONG	virtballoon_free_page_report	reports one page more than is free, behind the first block
 * PLANT_SAVE_OFFLINE		swsusp_save		copies the host's pages into the image, as
 *							saveable_page lets them pass (balloon.policy=discard)
 * PLANT_PAGE_NOT_SAVED		saveable_page		leaves the first page of each touch out of the image
 * PLANT_LOSE_FREE_PAGE		swsusp_free		forgets to free one page of the snapshot, once
 */
#ifndef PLANT_H
#define PLANT_H

/* 1 when the macro is defined as 1 (which is what -D does), 0 when it is not defined. */
#define __plant_1 ~,
#define __plant_second(first, second, ...) second
#define __plant_pick(...) __plant_second(__VA_ARGS__, 0)
#define __plant_paste(value) __plant_pick(__plant_##value 1)
#define __planted(value) __plant_paste(value)
#define PLANTED(flag) __planted(flag)

#define __plant_first_time                                                                        \
	({                                                                                        \
		static bool _done;                                                                \
		bool _first = !_done;                                                             \
		_done = true;                                                                     \
		_first;                                                                           \
	})

/* The first time only, and all others. */
#define PLANTED_ONCE(flag) (PLANTED(flag) && __plant_first_time)
#define PLANTED_AGAIN(flag) (PLANTED(flag) && !__plant_first_time)

#endif
