#include "sampling.h"

#include "board.h"

sampler samplers[SAMPLERS];
static volatile bool sampling;

void sampling_start(const uint32_t periods[SAMPLERS])
{
    uint32_t now = board_ticks();
    sampling = false;
    for (int i = 0; i < SAMPLERS; i++) {
        sampler *s = &samplers[i];
        s->period = periods[i];
        s->next = now + periods[i];
        s->made = 0;
        s->in = 0;
        s->out = 0;
    }
    sampling = true;
}

void sampling_stop(void)
{
    sampling = false;
}

/* As a converter clocked by its own timer would: a late interrupt loses nothing, it finds more records. */
void board_sample_due(void)
{
    if (!sampling) {
        return;
    }
    uint32_t now = board_ticks();
    for (int i = 0; i < SAMPLERS; i++) {
        sampler *s = &samplers[i];
        while ((int32_t)(now - s->next) >= 0) {
            if (s->in - s->out < WAITING) {
                volatile due_record *r = &s->waiting[s->in % WAITING];
                r->tick = s->next;
                r->number = s->made;
                s->in++;
            }
            s->made++;
            s->next += s->period;
        }
    }
}

bool sampling_waits(void)
{
    return samplers[METAL].in != samplers[METAL].out || samplers[RADAR].in != samplers[RADAR].out;
}

bool sampling_take(uint8_t *stream, due_record *record)
{
    bool found = false;
    for (uint8_t i = 0; i < SAMPLERS; i++) {
        sampler *s = &samplers[i];
        if (s->in == s->out) {
            continue;
        }
        volatile due_record *r = &s->waiting[s->out % WAITING];
        if (!found || (int32_t)(r->tick - record->tick) < 0) {
            record->tick = r->tick;
            record->number = r->number;
            *stream = i;
            found = true;
        }
    }
    if (found) {
        samplers[*stream].out++;
    }
    return found;
}
