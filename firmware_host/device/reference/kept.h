/* What outlives a reset: the run counter and saved parameter values.
 *
 * The emulated board has no flash to write, so this is RAM that the start-up code leaves alone: it
 * outlives a reset, not a power-off. A real head puts it in flash or EEPROM. */
#ifndef KEPT_H
#define KEPT_H

#include <stdbool.h>
#include <stdint.h>

enum { KEPT_VALUES = 32 };

/* Reads what is kept, or begins anew with a run counter that starts from `noise`. */
void kept_begin(uint32_t noise);
uint32_t kept_next_run(void);
bool kept_value(uint16_t index, double *value);
void kept_save(const double *values, uint16_t n);

#endif
