/* The freezer: who stops, who does not, and that all go on afterwards. */
#include "freezer.h"
#include "selftest.h"
#include "workqueue.h"

static unsigned long user_turns, kthread_turns, plain_turns;
static bool stop_user;

static int user_loop(void *unused)
{
	while (!READ_ONCE(stop_user)) {
		user_turns++;
		try_to_freeze();
		yield();
	}
	return 0;
}

static int freezable_loop(void *unused)
{
	set_freezable();
	while (!kthread_should_stop()) {
		kthread_turns++;
		try_to_freeze();
		yield();
	}
	return 0;
}

static int plain_loop(void *unused)
{
	while (!kthread_should_stop()) {
		plain_turns++;
		yield();
	}
	return 0;
}

/* Does the counter move while others run for a while? */
static bool moves(const unsigned long *turns)
{
	unsigned long before = READ_ONCE(*turns);

	msleep(20);
	return READ_ONCE(*turns) != before;
}

static void count_work(struct work_struct *work)
{
	kthread_turns++;
}

/* Freezing stops user tasks first, then freezable kernel threads and works, and never the others. */
SELFTEST(freezer_stops_and_thaws)
{
	struct task_struct *user, *freezable, *plain;
	struct work_struct work;

	stop_user = false;
	user = user_task_run(user_loop, NULL, "user");
	freezable = kthread_run(freezable_loop, NULL, "freezable");
	plain = kthread_run(plain_loop, NULL, "plain");
	EXPECT(!IS_ERR(user) && !IS_ERR(freezable) && !IS_ERR(plain));
	EXPECT(moves(&user_turns));

	EXPECT(freeze_processes() == 0);
	EXPECT(!moves(&user_turns) && moves(&kthread_turns) && moves(&plain_turns));
	EXPECT(freeze_kernel_threads() == 0);
	EXPECT(!moves(&kthread_turns) && moves(&plain_turns));
	EXPECT(user->state == TASK_FROZEN && freezable->state == TASK_FROZEN);
	INIT_WORK(&work, count_work);
	EXPECT(queue_work(system_freezable_wq, &work));
	EXPECT(!moves(&kthread_turns));
	EXPECT(!wake_up_process(user));

	thaw_kernel_threads();
	EXPECT(moves(&kthread_turns) && !moves(&user_turns));
	flush_work(system_freezable_wq, &work);
	thaw_processes();
	EXPECT(moves(&user_turns));

	WRITE_ONCE(stop_user, true);
	EXPECT(kthread_stop(user) == 0 && kthread_stop(freezable) == 0 && kthread_stop(plain) == 0);
	return 0;
}
