/* Output before any driver runs. */
#ifndef EARLYCON_H
#define EARLYCON_H

void earlycon_init(void);

#endif
