/* The table of external interrupts, between drivers and the interrupt controller. */
#include "irq.h"

#include "console.h"
#include "irqflags.h"
#include "kernel.h"
#include "timer.h"

static struct irq_desc {
	irq_handler_t handler;
	const char *name;
	void *dev_id;
	unsigned long count;
} irq_desc[NR_IRQS];
static const struct irq_chip *irq_chip;
static unsigned long spurious;

void irq_set_chip(const struct irq_chip *chip)
{
	irq_chip = chip;
}

int request_irq(unsigned int irq, irq_handler_t handler, const char *name, void *dev_id)
{
	unsigned long flags;

	if (!irq || irq >= NR_IRQS)
		return -EINVAL;
	if (!irq_chip)
		return -ENXIO;
	if (irq_desc[irq].handler)
		return -EBUSY;
	local_irq_save(flags);
	irq_desc[irq] = (struct irq_desc){ .handler = handler, .name = name, .dev_id = dev_id };
	irq_chip->irq_unmask(irq);
	local_irq_restore(flags);
	return 0;
}

void free_irq(unsigned int irq, void *dev_id)
{
	unsigned long flags;

	if (WARN_ON(irq >= NR_IRQS || !irq_desc[irq].handler || irq_desc[irq].dev_id != dev_id))
		return;
	local_irq_save(flags);
	irq_chip->irq_mask(irq);
	irq_desc[irq].handler = NULL;
	local_irq_restore(flags);
}

void irq_resume(void)
{
	for (unsigned int irq = 1; irq < NR_IRQS; irq++)
		if (irq_desc[irq].handler)
			irq_chip->irq_unmask(irq);
}

/* Claims until nothing is pending: one trap serves all that came together. */
void handle_external_irq(void)
{
	unsigned int irq;

	while ((irq = irq_chip->claim())) {
		struct irq_desc *desc = irq < NR_IRQS ? &irq_desc[irq] : NULL;

		if (desc && desc->handler) {
			desc->count++;
			if (desc->handler(irq, desc->dev_id) == IRQ_NONE)
				spurious++;
		} else {
			spurious++;
		}
		irq_chip->eoi(irq);
	}
}

void show_interrupts(void)
{
	for (unsigned int irq = 1; irq < NR_IRQS; irq++)
		if (irq_desc[irq].handler)
			console_printf("%s %lu\n", irq_desc[irq].name, irq_desc[irq].count);
	console_printf("timer %lu\n", timer_interrupts());
	console_printf("spurious %lu\n", spurious);
}
