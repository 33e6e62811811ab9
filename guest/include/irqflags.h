/* The one hart's interrupt enable, which is also this kernel's only true lock. */
#ifndef IRQFLAGS_H
#define IRQFLAGS_H

#include "csr.h"
#include "types.h"

static inline void local_irq_enable(void) { csr_set(sstatus, SR_SIE); }
static inline void local_irq_disable(void) { csr_clear(sstatus, SR_SIE); }
static inline bool irqs_disabled(void) { return !(csr_read(sstatus) & SR_SIE); }
static inline unsigned long arch_local_irq_save(void) { return csr_read_clear(sstatus, SR_SIE); }

#define local_irq_save(flags) ((flags) = arch_local_irq_save())
#define local_irq_restore(flags) csr_set(sstatus, (flags) & SR_SIE)

#endif
