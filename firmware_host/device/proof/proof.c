/* Runs exported filters on an Arm MPS2 board over samples that the host laid into its RAM, and leaves the results there.
 * Application Note AN385, "Arm Cortex-M3 SMM on V2M-MPS2": 16 MB of PSRAM, CMSDK timer 0 at 25 MHz. */
#include "groundsweep_filters.h"

typedef struct job {
    volatile uint32_t done; /* 0 while it runs, then 1; 2 = cannot */
    uint32_t stream;        /* index into exported_streams */
    uint32_t word;          /* 31, 15, or 32 for float */
    uint32_t records;       /* rows of `lines` readings, or A-scans */
    uint32_t samples_at;    /* offsets from the job, bytes */
    uint32_t results_at;
    volatile uint32_t ticks; /* that the filtering took, of the timer */
    uint32_t unused[9];
} job;

#define JOB ((job *)PSRAM) /* 0x21000000 on AN385 and AN386, 0x60000000 on AN500 */
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)
#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define COPROCESSOR_ACCESS (*(volatile uint32_t *)0xE000ED88u)

enum { MAX_LINES = 256, MAX_SECTIONS = 12, MAX_ROOM = 8192 };

extern const gsf_tuned *const exported_streams[];
extern const unsigned exported_count;
extern uint32_t stack_top, data_begin, data_end, data_load, bss_begin, bss_end;

static union {
    int32_t q31[MAX_LINES][4 * MAX_SECTIONS];
    int16_t q15[MAX_LINES][4 * MAX_SECTIONS];
    float f32[MAX_LINES][2 * MAX_SECTIONS];
} state;

static union {
    int32_t q31[MAX_ROOM];
    int16_t q15[MAX_ROOM];
    float f32[MAX_ROOM];
} room;

static void rows(const gsf_tuned *t, uint32_t word, const int32_t *counts, int32_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < t->lines; c++) {
            size_t at = i * t->lines + c;
            if (word == 31) {
                int32_t x = gsf_word_q31(t->input, t->q31, counts[at]);
                if (i == 0) {
                    gsf_prime_q31(t->q31, state.q31[c], x);
                }
                gsf_run_q31(t->q31, state.q31[c], &x, 1);
                out[at] = x;
            } else if (word == 15) {
                int16_t x = gsf_word_q15(t->input, t->q15, counts[at]);
                if (i == 0) {
                    gsf_prime_q15(t->q15, state.q15[c], x);
                }
                gsf_run_q15(t->q15, state.q15[c], &x, 1);
                out[at] = x;
            } else {
                float x = (float)(counts[at] - t->input->middle);
                if (i == 0) {
                    gsf_prime_f32(t->f32, state.f32[c], x);
                }
                gsf_run_f32(t->f32, state.f32[c], &x, 1);
                ((float *)out)[at] = x;
            }
        }
    }
}

static void ascans(const gsf_tuned *t, uint32_t word, const int32_t *counts, int32_t *out, size_t n)
{
    static float samples[MAX_ROOM];
    size_t m = t->ascan->samples;
    for (size_t i = 0; i < n; i++, counts += m, out += m) {
        if (word == 31) {
            gsf_ascan_q31(t->ascan, t->q31, state.q31[0], counts, room.q31);
            for (size_t k = 0; k < m; k++) {
                out[k] = room.q31[k + (t->q31->sections ? t->ascan->pad : 0)];
            }
        } else if (word == 15) {
            gsf_ascan_q15(t->ascan, t->q15, state.q15[0], counts, room.q15);
            for (size_t k = 0; k < m; k++) {
                out[k] = room.q15[k + (t->q15->sections ? t->ascan->pad : 0)];
            }
        } else {
            for (size_t k = 0; k < m; k++) {
                samples[k] = (float)(counts[k] - t->input->middle);
            }
            gsf_ascan_f32(t->ascan, t->f32, state.f32[0], samples, room.f32);
            for (size_t k = 0; k < m; k++) {
                ((float *)out)[k] = room.f32[k + (t->f32->sections ? t->ascan->pad : 0)];
            }
        }
    }
}

static uint32_t work(void)
{
    if (JOB->stream >= exported_count) {
        return 2;
    }
    const gsf_tuned *t = exported_streams[JOB->stream];
    const int32_t *counts = (const int32_t *)((uintptr_t)JOB + JOB->samples_at);
    int32_t *out = (int32_t *)((uintptr_t)JOB + JOB->results_at);
    const void *f = JOB->word == 31 ? (const void *)t->q31 : JOB->word == 15 ? (const void *)t->q15 : (const void *)t->f32;
    if (f == NULL || t->lines > MAX_LINES || (t->ascan && t->ascan->samples + 2u * t->ascan->pad > MAX_ROOM)) {
        return 2;
    }
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1;
    uint32_t before = TIMER_VALUE;
    if (t->ascan) {
        ascans(t, JOB->word, counts, out, JOB->records);
    } else {
        rows(t, JOB->word, counts, out, JOB->records);
    }
    JOB->ticks = before - TIMER_VALUE;
    return 1;
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
    JOB->done = work();
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
