/* External interrupts. Handlers run with interrupts off, on the stack of whoever was interrupted. */
#ifndef IRQ_H
#define IRQ_H

#include "types.h"

#define NR_IRQS 128

typedef enum irqreturn { IRQ_NONE, IRQ_HANDLED } irqreturn_t;
typedef irqreturn_t (*irq_handler_t)(int irq, void *dev_id);

/* -EINVAL for a number out of range, -EBUSY when taken (lines are not shared), -ENXIO without a chip. */
int request_irq(unsigned int irq, irq_handler_t handler, const char *name, void *dev_id);
/* On return the handler no longer runs and never will. */
void free_irq(unsigned int irq, void *dev_id);

/* The interrupt controller's side. */
struct irq_chip {
	const char *name;
	void (*irq_unmask)(unsigned int irq);
	void (*irq_mask)(unsigned int irq);
	unsigned int (*claim)(void); /* the next pending number, 0 when there is none */
	void (*eoi)(unsigned int irq);
};

void irq_set_chip(const struct irq_chip *chip);
/* Unmasks every requested line again, on a chip that has been reset. */
void irq_resume(void);
void handle_external_irq(void);
/* Lines for the shell's `interrupts`. */
void show_interrupts(void);

#endif
