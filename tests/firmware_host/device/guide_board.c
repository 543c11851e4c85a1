/* A board for the main.c of docs/firmware-guide.md: standard input and output for a UART, and a converter
 * that has a reading ready each time it is asked. Ends with its input. */
#include "groundsweep_device.h"

#include <stdio.h>
#include <stdlib.h>

void board_start(void);
uint32_t board_ticks(void);
bool adc_take(uint32_t *tick, int32_t gates[4]);
uint32_t adc_overruns(void);
void adc_run(bool on);
size_t uart_read(uint8_t *bytes, size_t most);
size_t uart_room(void);
void uart_write(const uint8_t *bytes, size_t n);
uint32_t flash_next_run(void);
void set_transmitter_current(double ampere);

static bool running;
static int32_t readings;
static uint32_t run;

void board_start(void)
{
    run = 99;
}

uint32_t board_ticks(void)
{
    return (uint32_t)readings * 2000u;
}

bool adc_take(uint32_t *tick, int32_t gates[4])
{
    static bool ready;
    ready = !ready && running;
    if (!ready) {
        return false;
    }
    *tick = board_ticks();
    for (int i = 0; i < 4; i++) {
        gates[i] = readings * (i % 2 == 0 ? 1000003 : -1000003) >> i;
    }
    readings++;
    return true;
}

uint32_t adc_overruns(void)
{
    return running && readings % 100 == 50 ? 2 : 0;
}

void adc_run(bool on)
{
    running = on;
}

/* a line at a time, so that samples come between the commands */
size_t uart_read(uint8_t *bytes, size_t most)
{
    size_t n = 0;
    while (n < most) {
        int c = getchar();
        if (c == EOF) {
            fflush(stdout);
            exit(0);
        }
        bytes[n++] = (uint8_t)c;
        if (c == 0) {
            break;
        }
    }
    return n;
}

size_t uart_room(void)
{
    return 4096;
}

void uart_write(const uint8_t *bytes, size_t n)
{
    fwrite(bytes, 1, n, stdout);
}

uint32_t flash_next_run(void)
{
    return ++run;
}

void set_transmitter_current(double ampere)
{
    if (!(ampere >= 0.5 && ampere <= 2.0)) {
        abort();
    }
}
