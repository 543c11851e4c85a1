/* A program on an Arm MPS2 board that works on what the host laid into its RAM, and leaves its results there.
 * Application Note AN385, "Arm Cortex-M3 SMM on V2M-MPS2": 16 MB of PSRAM, CMSDK timer 0 at 25 MHz. */
#ifndef PROOF_H
#define PROOF_H

#include <stdint.h>

typedef struct job {
    volatile uint32_t done; /* 0 while it runs, then 1; 2 = cannot */
    uint32_t stream;        /* index into exported_streams */
    uint32_t word;          /* 31, 15, or 32 for float */
    uint32_t records;       /* rows of `lines` readings, A-scans, or alarms */
    uint32_t samples_at;    /* offsets from the job, bytes */
    uint32_t results_at;
    volatile uint32_t ticks; /* that the work took, of the timer */
    uint32_t unused[9];
} job;

#define JOB ((job *)PSRAM) /* 0x21000000 on AN385 and AN386, 0x60000000 on AN500 */

/* Do the job; what to leave in `done`. */
uint32_t proof_work(void);

/* Timer, counting down. */
uint32_t proof_clock(void);

#endif
