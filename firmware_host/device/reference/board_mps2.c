/* Arm MPS2 boards (AN385 Cortex-M3, AN386 Cortex-M4, AN500 Cortex-M7): CMSDK UART 0 and timers 0 and 1.
 * Arm, Application Note AN385, "Arm Cortex-M3 SMM on V2M-MPS2"; Cortex-M System Design Kit TRM. */
#include "board.h"

typedef struct timer {
    volatile uint32_t control;
    volatile uint32_t value; /* counts down */
    volatile uint32_t reload;
    volatile uint32_t interrupt;
} timer;

typedef struct uart {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t control;
    volatile uint32_t interrupt;
    volatile uint32_t divider;
} uart;

#define TIMER0 ((timer *)0x40000000u)
#define TIMER1 ((timer *)0x40001000u)
#define UART0 ((uart *)0x40004000u)
#define NVIC_ENABLE (*(volatile uint32_t *)0xE000E100u)
#define RESET_CONTROL (*(volatile uint32_t *)0xE000ED0Cu)

enum { TIMER_ON = 1, TIMER_INTERRUPT = 8 };
enum { UART_TX_FULL = 1, UART_RX_FULL = 2, UART_TX_ON = 1, UART_RX_ON = 2, UART_RX_INTERRUPT = 8 };
enum { IRQ_UART0_RX = 0, IRQ_TIMER1 = 9 };
enum { BAUD = 921600, RECEIVE_SIZE = 1024 };

extern uint32_t stack_top, data_begin, data_end, data_load, bss_begin, bss_end, boot_noise;

static uint8_t received[RECEIVE_SIZE];
static volatile uint32_t received_in, received_out; /* both count on for ever */

int main(void);
void reset_handler(void);

void reset_handler(void)
{
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_begin; to < &data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &bss_begin; to < &bss_end;) {
        *to++ = 0;
    }
    (void)main();
    for (;;) {
    }
}

static void stopped(void)
{
    board_reset();
}

static void ignored(void)
{
}

static void uart_received(void)
{
    UART0->interrupt = 2;
    while ((UART0->state & UART_RX_FULL) != 0) {
        uint8_t byte = (uint8_t)UART0->data;
        if (received_in - received_out < RECEIVE_SIZE) { /* else lost: the host asks again */
            received[received_in % RECEIVE_SIZE] = byte;
            received_in++;
        }
    }
}

static void timer1_ran_out(void)
{
    TIMER1->interrupt = 1;
    board_sample_due();
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler system[15];
    handler irq[16];
} vectors = {
    &stack_top,
    {reset_handler, stopped, stopped, stopped, stopped, stopped, 0, 0, 0, 0, ignored, stopped, 0, ignored, ignored},
    {
        uart_received, ignored, ignored, ignored, ignored, ignored, ignored, ignored,
        ignored, timer1_ran_out, ignored, ignored, ignored, ignored, ignored, ignored,
    },
};

void board_start(uint32_t rate_hz)
{
    TIMER0->reload = 0xFFFFFFFFu;
    TIMER0->value = 0xFFFFFFFFu;
    TIMER0->control = TIMER_ON;
    TIMER1->reload = BOARD_CLOCK_HZ / rate_hz - 1;
    TIMER1->value = BOARD_CLOCK_HZ / rate_hz - 1;
    TIMER1->control = TIMER_ON | TIMER_INTERRUPT;
    NVIC_ENABLE = 1u << IRQ_UART0_RX | 1u << IRQ_TIMER1;
    /* Interrupts run before the UART listens: a byte that waits for an emulated UART that is not on yet
     * would otherwise never be offered to it again. */
    UART0->divider = BOARD_CLOCK_HZ / BAUD;
    UART0->control = UART_TX_ON | UART_RX_ON | UART_RX_INTERRUPT;
}

uint32_t board_ticks(void)
{
    return ~TIMER0->value;
}

size_t board_received(const uint8_t **bytes)
{
    uint32_t n = received_in - received_out;
    uint32_t at = received_out % RECEIVE_SIZE;
    *bytes = &received[at];
    return n < RECEIVE_SIZE - at ? n : RECEIVE_SIZE - at;
}

void board_consume(size_t n)
{
    received_out += (uint32_t)n;
}

bool board_send(uint8_t byte)
{
    if ((UART0->state & UART_TX_FULL) != 0) {
        return false;
    }
    UART0->data = byte;
    return true;
}

void board_idle(bool (*work)(void))
{
    /* With interrupts off, what comes after the look wakes wfi all the same and is not slept over. */
    __asm__ volatile("cpsid i" ::: "memory");
    if (received_in == received_out && !work()) {
        __asm__ volatile("wfi" ::: "memory");
    }
    __asm__ volatile("cpsie i" ::: "memory");
}

uint32_t board_noise(void)
{
    return boot_noise;
}

void board_reset(void)
{
    RESET_CONTROL = 0x05FA0004u;
    for (;;) {
    }
}
