/*
 * The platform-level interrupt controller (RISC-V PLIC specification 1.0.0): one priority word a source, then
 * for each context (hart and privilege) enable bits, a threshold, and the claim/complete register.
 * The device tree's `interrupts-extended` lists the contexts; ours is the one wired to the
 * supervisor external interrupt. All sources have the same priority: the lowest number goes first.
 */
#include "byteorder.h"
#include "csr.h"
#include "io.h"
#include "irq.h"
#include "kernel.h"
#include "platform_device.h"
#include "syscore_ops.h"

#define PRIORITY(irq) (0x4 * (irq))
#define ENABLE(context, irq) (0x2000 + 0x80 * (context) + (irq) / 32 * 4)
#define THRESHOLD(context) (0x200000 + 0x1000 * (context))
#define CLAIM(context) (THRESHOLD(context) + 4)

static char *regs;
static unsigned int context;
static unsigned int ndev; /* the highest source */

static void set_enable(unsigned int irq, bool on)
{
	u32 bits = readl(regs + ENABLE(context, irq));
	u32 bit = 1u << irq % 32;

	writel(on ? bits | bit : bits & ~bit, regs + ENABLE(context, irq));
}

static void plic_unmask(unsigned int irq)
{
	if (irq > ndev)
		return;
	writel(1, regs + PRIORITY(irq));
	set_enable(irq, true);
}

static void plic_mask(unsigned int irq)
{
	if (irq <= ndev)
		set_enable(irq, false);
}

static unsigned int plic_claim(void)
{
	return readl(regs + CLAIM(context));
}

static void plic_eoi(unsigned int irq)
{
	writel(irq, regs + CLAIM(context));
}

static const struct irq_chip plic_chip = {
	.name = "PLIC",
	.irq_unmask = plic_unmask,
	.irq_mask = plic_mask,
	.claim = plic_claim,
	.eoi = plic_eoi,
};

static void plic_reset(void)
{
	for (unsigned int irq = 0; irq <= ndev; irq += 32)
		writel(0, regs + ENABLE(context, irq));
	writel(0, regs + THRESHOLD(context));
}

static void plic_resume(void)
{
	plic_reset();
	irq_resume();
}

static struct syscore_ops plic_syscore_ops = { .resume = plic_resume };

/* Which of the (interrupt controller, number) pairs of interrupts-extended is ours. */
static int find_context(const struct device_node *node)
{
	u32 len;
	const __be32 *cells = of_get_property(node, "interrupts-extended", &len);

	for (u32 i = 0; cells && i < len / 8; i++)
		if (be32_to_cpu(cells[2 * i + 1]) == IRQ_S_EXT)
			return i;
	return -EINVAL;
}

static int plic_probe(struct platform_device *pdev)
{
	int found = find_context(&pdev->of_node);

	if (found < 0 || !of_property_read_u32(&pdev->of_node, "riscv,ndev", &ndev))
		return -EINVAL;
	regs = ioremap(pdev->start, pdev->size);
	if (!regs)
		return -ENOMEM;
	ndev = min(ndev, NR_IRQS - 1u);
	context = found;
	plic_reset();
	irq_set_chip(&plic_chip);
	register_syscore_ops(&plic_syscore_ops);
	pr_info("riscv-plic %s: %u interrupts, context %u\n", pdev->name, ndev, context);
	return 0;
}

static const struct platform_driver plic_driver = {
	.name = "riscv-plic",
	.of_match = "riscv,plic0",
	.probe = plic_probe,
};
module_platform_driver(plic_driver);
