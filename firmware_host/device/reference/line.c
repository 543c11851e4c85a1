#include "line.h"

#include <string.h>

#include "board.h"

enum { QUEUE = 65536, FRAME = 8192, GARBAGE = 40, SAMPLES = 3 };

line_faults line_does_wrong;
line_counts line_did;

static uint8_t queue[QUEUE];
static uint32_t in, out; /* both count on for ever */
static uint8_t frame[FRAME];
static size_t frame_size;
static bool stalled;
static uint32_t stall_set, stall_after, stall_ticks;

void line_begin_count(void)
{
    memset(&line_did, 0, sizeof line_did);
}

void line_stall(uint32_t after, uint32_t ticks)
{
    stalled = ticks > 0;
    stall_set = board_ticks();
    stall_after = after;
    stall_ticks = ticks;
}

size_t line_room(void *context)
{
    (void)context;
    size_t left = QUEUE - (in - out);
    /* a frame may go out twice, after garbage */
    size_t room = left > GARBAGE + 1 ? (left - GARBAGE - 1) / 2 : 0;
    return room < FRAME ? room : FRAME;
}

static void enqueue(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        queue[in++ % QUEUE] = bytes[i];
    }
}

static bool due(uint32_t every)
{
    return every > 0 && line_did.sample_frames % every == 0;
}

static void send_frame(void)
{
    const line_faults *wrong = &line_does_wrong;
    if (frame[2] != SAMPLES) { /* stuffing leaves version and type where they are */
        enqueue(frame, frame_size);
        return;
    }
    line_did.sample_frames++;
    if (wrong->hang_after > 0 && line_did.sample_frames > wrong->hang_after) {
        line_did.hung++;
        return;
    }
    if (due(wrong->garbage_every)) {
        for (uint32_t i = 0; i < GARBAGE; i++) {
            uint8_t byte = (uint8_t)((line_did.sample_frames * 37 + i * 11) % 255 + 1);
            enqueue(&byte, 1);
        }
        enqueue((const uint8_t *)"", 1);
        line_did.garbage++;
    }
    if (due(wrong->drop_every)) {
        line_did.dropped++;
        return;
    }
    if (due(wrong->damage_every)) {
        uint8_t *byte = &frame[frame_size / 2];
        *byte = *byte == 0x55 ? 0x54 : *byte ^ 0x55;
        line_did.damaged++;
    }
    enqueue(frame, frame_size);
    if (due(wrong->repeat_every)) {
        enqueue(frame, frame_size);
        line_did.repeated++;
    }
}

void line_write(void *context, const uint8_t *bytes, size_t n)
{
    (void)context;
    if (n > FRAME - frame_size) { /* cannot be: line_room allowed less */
        frame_size = 0;
        return;
    }
    memcpy(frame + frame_size, bytes, n);
    frame_size += n;
    if (frame[frame_size - 1] == 0) {
        send_frame();
        frame_size = 0;
    }
}

void line_pump(void)
{
    uint32_t since = board_ticks() - stall_set;
    if (stalled && since >= stall_after) {
        if (since - stall_after < stall_ticks) {
            return;
        }
        stalled = false;
    }
    while (in != out && board_send(queue[out % QUEUE])) {
        out++;
    }
}
