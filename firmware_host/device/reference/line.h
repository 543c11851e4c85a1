/* The way out: a queue of bytes before the UART, and what can go wrong with frames on purpose. */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By count of sample frames since START; 0 is never. */
typedef struct line_faults {
    uint32_t drop_every;
    uint32_t damage_every;
    uint32_t garbage_every;
    uint32_t repeat_every;
    uint32_t hang_after;
} line_faults;

typedef struct line_counts {
    uint32_t sample_frames; /* given to the line since START, faults included */
    uint32_t dropped;
    uint32_t damaged;
    uint32_t garbage;
    uint32_t repeated;
    uint32_t hung; /* swallowed after hang_after */
} line_counts;

extern line_faults line_does_wrong;
extern line_counts line_did;

void line_begin_count(void);

/* Nothing leaves the queue for this many ticks, from a while later on: replies go out before. */
void line_stall(uint32_t after, uint32_t ticks);

/* gs_board's room and write. */
size_t line_room(void *context);
void line_write(void *context, const uint8_t *bytes, size_t n);

/* Give the UART what it takes. */
void line_pump(void);

#endif
