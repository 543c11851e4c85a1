/* The sampling interrupt: which records fell due, and when, in order and numbered. */
#ifndef SAMPLING_H
#define SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

enum { SAMPLING_HZ = 1000 }; /* how often board_sample_due looks */
enum { WAITING = 1024 };     /* records: 2 s of metal, for an emulator on a busy machine */

typedef struct due_record {
    uint32_t tick;
    uint32_t number; /* since sampling_start; a step of more than 1 means that the loop was too slow */
} due_record;

typedef struct sampler {
    uint32_t period; /* ticks */
    uint32_t next;   /* tick of the next record */
    volatile uint32_t made;
    volatile uint32_t in;
    volatile uint32_t out;
    volatile due_record waiting[WAITING];
} sampler;

enum { METAL, RADAR, SAMPLERS };

extern sampler samplers[SAMPLERS];

void sampling_start(const uint32_t periods[SAMPLERS]);
void sampling_stop(void);

/* The oldest record that waits, and whose it is; false if none does. */
bool sampling_take(uint8_t *stream, due_record *record);
bool sampling_waits(void);

#endif
