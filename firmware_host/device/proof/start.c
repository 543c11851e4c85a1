/* Start-up of a proof on an Arm MPS2 board. See proof.h. */
#include "proof.h"

#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)
#define COPROCESSOR_ACCESS (*(volatile uint32_t *)0xE000ED88u)

extern uint32_t stack_top, data_begin, data_end, data_load, bss_begin, bss_end;

uint32_t proof_clock(void)
{
    return TIMER_VALUE;
}

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
    COPROCESSOR_ACCESS |= 0xFu << 20; /* the floating-point unit, where there is one */
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1;
    JOB->done = proof_work();
    for (;;) {
        __asm__ volatile("wfi");
    }
}

static void stopped(void)
{
    JOB->done = 2;
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*system[15])(void);
} vectors = {&stack_top, {reset_handler, stopped, stopped, stopped, stopped, stopped}};
