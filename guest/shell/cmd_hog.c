/* `hog`: a process that wants memory, and dies of not getting it. */
#include "freezer.h"
#include "oom.h"
#include "sched.h"
#include "shell.h"
#include "string.h"

#define HOG_PATTERN 0x5a

/* Memory that is used, one page at a time. */
static void hog_memory(struct mm_struct *mm, u64 pages)
{
	struct page *page;

	while (mm->total_vm < pages && (page = do_anonymous_page(mm))) {
		memset(page_address(page), HOG_PATTERN, PAGE_SIZE);
		try_to_freeze(); /* no lock is held here */
	}
}

/* Being killed wakes it up. */
static void hold_memory(const struct mm_struct *mm, u64 ms)
{
	for (long left = msecs_to_jiffies(ms); left && !READ_ONCE(mm->oom_killed); try_to_freeze()) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		left = schedule_timeout(left);
	}
}

static int cmd_hog(int argc, char **argv)
{
	u64 pages, ms = 0;
	struct mm_struct mm;
	bool suffixed;

	if (argc < 2 || argc > 3 || parse_size(argv[1], &pages, &suffixed))
		return -EINVAL;
	if (argc == 3 && (kstrtou64(argv[2], &ms) || ms > 1000 * 1000))
		return -EINVAL;
	if (suffixed)
		pages = DIV_ROUND_UP(pages, PAGE_SIZE);
	mm_init(&mm, argv[0]);
	hog_memory(&mm, pages);
	hold_memory(&mm, ms);
	shell_answer("hog_pages", "%lu", mm.total_vm);
	exit_mmap(&mm);
	return mm.oom_killed ? -ENOMEM : 0;
}
SHELL_COMMAND(hog, "N[K|M|G] [MS]: use that many pages (or bytes) for so long, then free them", cmd_hog);
