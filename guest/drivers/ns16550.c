/*
 * The 16550A UART (National Semiconductor PC16550D): the console. Output is polled, a FIFO's worth for each
 * look at the line status, so that it works in any context; input comes by interrupt.
 */
#include "console.h"
#include "io.h"
#include "irq.h"
#include "kernel.h"
#include "platform_device.h"

#define UART_RX 0 /* read */
#define UART_TX 0 /* write */
#define UART_IER 1
#define UART_IER_RDI 0x01 /* interrupt when data are there */
#define UART_FCR 2
#define UART_FCR_ENABLE_FIFO 0x01
#define UART_LCR 3
#define UART_LCR_WLEN8 0x03
#define UART_MCR 4
#define UART_MCR_OUT2 0x08 /* gates the interrupt line on a PC's board */
#define UART_LSR 5
#define UART_LSR_DR 0x01   /* data ready */
#define UART_LSR_THRE 0x20 /* the transmit FIFO is empty */
#define FIFO_SIZE 16

static char *regs;

static void uart_write(const char *s, size_t n)
{
	while (n) {
		while (!(readb(regs + UART_LSR) & UART_LSR_THRE))
			;
		for (unsigned int i = 0; i < FIFO_SIZE && n; i++, n--)
			writeb(*s++, regs + UART_TX);
	}
}

static const struct console uart_console = { .name = "ttyS0", .write = uart_write };

static irqreturn_t uart_interrupt(int irq, void *dev_id)
{
	irqreturn_t ret = IRQ_NONE;

	while (readb(regs + UART_LSR) & UART_LSR_DR) {
		console_receive(readb(regs + UART_RX));
		ret = IRQ_HANDLED;
	}
	return ret;
}

static void uart_setup(void)
{
	writeb(0, regs + UART_IER);
	writeb(UART_LCR_WLEN8, regs + UART_LCR);
	writeb(UART_FCR_ENABLE_FIFO, regs + UART_FCR);
	writeb(UART_MCR_OUT2, regs + UART_MCR);
	writeb(UART_IER_RDI, regs + UART_IER);
}

static int uart_probe(struct platform_device *pdev)
{
	int err;

	regs = ioremap(pdev->start, pdev->size);
	if (!regs)
		return -ENOMEM;
	uart_setup();
	err = request_irq(pdev->irq, uart_interrupt, "ttyS0", NULL);
	if (err)
		return err;
	register_console(&uart_console);
	return 0;
}

static int uart_restore(struct platform_device *pdev)
{
	uart_setup();
	return 0;
}

static const struct dev_pm_ops uart_pm_ops = { .restore = uart_restore };
static const struct platform_driver uart_driver = {
	.name = "ns16550a",
	.of_match = "ns16550a",
	.probe = uart_probe,
	.pm = &uart_pm_ops,
};
module_platform_driver(uart_driver);
