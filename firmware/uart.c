/*
 * uart.c - the ns16550a UART, polled (National Semiconductor PC16550D datasheet).
 *
 * The S-mode kernel may take the UART over at any time and set it up anew; nothing here depends on state kept
 * between two calls.
 */
#include "board.h"
#include "platform.h"

#define UART_RBR	(BOARD_UART_BASE + 0)	/* receiver buffer (read) */
#define UART_THR	(BOARD_UART_BASE + 0)	/* transmitter holding (write) */
#define UART_IER	(BOARD_UART_BASE + 1)	/* interrupt enable */
#define UART_FCR	(BOARD_UART_BASE + 2)	/* FIFO control (write) */
#define UART_LCR	(BOARD_UART_BASE + 3)	/* line control */
#define UART_LSR	(BOARD_UART_BASE + 5)	/* line status */

#define FCR_ENABLE	(1 << 0)
#define LCR_8N1		3
#define LSR_DR		(1 << 0)	/* data ready */
#define LSR_THRE	(1 << 5)	/* transmitter holding register empty */

void uart_init(void)
{
	writeb(UART_IER, 0);
	writeb(UART_LCR, LCR_8N1);
	writeb(UART_FCR, FCR_ENABLE);
}

/* Returns false, and sends nothing, while the transmitter is full. */
bool uart_transmit(uint8_t byte)
{
	if (!(readb(UART_LSR) & LSR_THRE))
		return false;
	writeb(UART_THR, byte);
	return true;
}

/* Returns false when nothing has been received. */
bool uart_receive(uint8_t *byte)
{
	if (!(readb(UART_LSR) & LSR_DR))
		return false;
	*byte = readb(UART_RBR);
	return true;
}
