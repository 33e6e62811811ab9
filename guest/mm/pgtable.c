/* Sv39 tables: making them and looking them up. Levels count down, 2 = root (1 GiB) to 0 = 4 KiB. */
#include "pgtable.h"

static unsigned int level_shift(int level)
{
	return PAGE_SHIFT + 9 * level;
}

static unsigned int table_index(unsigned long va, int level)
{
	return va >> level_shift(level) & (PTRS_PER_TABLE - 1);
}

static pte_t *entry_table(pte_t entry)
{
	return __va(PFN_PHYS(entry >> _PAGE_PFN_SHIFT));
}

static pte_t make_entry(phys_addr_t pa, pgprot_t prot)
{
	return PFN_DOWN(pa) << _PAGE_PFN_SHIFT | prot;
}

/* The entry at `level`, with tables made on the way. */
static pte_t *entry_alloc(pte_t *table, unsigned long va, int level, void *(*alloc_table)(void))
{
	for (int l = 2; l > level; l--) {
		pte_t *entry = &table[table_index(va, l)];

		if (*entry & _PAGE_LEAF)
			return ERR_PTR(-EEXIST);
		if (!*entry) {
			void *page = alloc_table();

			if (!page)
				return ERR_PTR(-ENOMEM);
			*entry = make_entry(__pa(page), _PAGE_PRESENT);
		}
		table = entry_table(*entry);
	}
	return &table[table_index(va, level)];
}

int create_pgd_mapping(pte_t *pgd, unsigned long va, phys_addr_t pa, u64 size, pgprot_t prot,
		       void *(*alloc_table)(void))
{
	while (size) {
		int level = 2;
		pte_t *entry;

		while (level && (!IS_ALIGNED(va | pa, 1UL << level_shift(level)) ||
				 size < 1UL << level_shift(level)))
			level--;
		entry = entry_alloc(pgd, va, level, alloc_table);
		if (IS_ERR(entry))
			return PTR_ERR(entry);
		*entry = make_entry(pa, prot);
		va += 1UL << level_shift(level);
		pa += 1UL << level_shift(level);
		size -= 1UL << level_shift(level);
	}
	return 0;
}

pte_t lookup_address(const pte_t *pgd, unsigned long va)
{
	for (int level = 2; level >= 0; level--) {
		pte_t entry = pgd[table_index(va, level)];

		if (!(entry & _PAGE_PRESENT))
			return 0;
		if (entry & _PAGE_LEAF)
			return entry;
		pgd = entry_table(entry);
	}
	return 0;
}
