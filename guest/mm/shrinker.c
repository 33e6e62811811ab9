/* Who can give memory back when it is short. */
#include "shrinker.h"

#include "irqflags.h"

static LIST_HEAD(shrinker_list);

void register_shrinker(struct shrinker *shrinker)
{
	unsigned long flags;

	local_irq_save(flags);
	list_add_tail(&shrinker->list, &shrinker_list);
	local_irq_restore(flags);
}

void unregister_shrinker(struct shrinker *shrinker)
{
	unsigned long flags;

	local_irq_save(flags);
	list_del(&shrinker->list);
	local_irq_restore(flags);
}

unsigned long shrinkable_pages(void)
{
	struct shrinker *shrinker;
	unsigned long flags, nr = 0;

	local_irq_save(flags);
	list_for_each_entry(shrinker, &shrinker_list, list)
		nr += shrinker->count_objects(shrinker);
	local_irq_restore(flags);
	return nr;
}

unsigned long shrink_slab(unsigned long nr)
{
	struct shrinker *shrinker;
	unsigned long flags, freed = 0;

	local_irq_save(flags);
	list_for_each_entry(shrinker, &shrinker_list, list)
		if (freed < nr)
			freed += shrinker->scan_objects(shrinker, nr - freed);
	local_irq_restore(flags);
	return freed;
}
