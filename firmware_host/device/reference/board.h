/* What the reference firmware needs of its board: a tick counter, a sampling interrupt, a UART. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_CLOCK_HZ 25000000u /* MPS2 system clock; also the rate of board_ticks() */

/* Start timers, then the UART; board_sample_due() is called `rate_hz` times a second, in an interrupt. */
void board_start(uint32_t rate_hz);

/* Free-running, modulo 2^32. */
uint32_t board_ticks(void);

/* Bytes that came in and lie in one piece; 0 if there are none. */
size_t board_received(const uint8_t **bytes);
void board_consume(size_t n);

/* Whether the UART took the byte. */
bool board_send(uint8_t byte);

/* Sleep until an interrupt, unless bytes came in or work() says that there is some. */
void board_idle(bool (*work)(void));

/* Number that differs from one power-on to the next. */
uint32_t board_noise(void);

void board_reset(void);

/* The firmware's. */
void board_sample_due(void);

#endif
