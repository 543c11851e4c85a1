#include "frames.h"

#include <string.h>

static const double axis[8] = {1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 6e-5, 7e-5, 8e-5};
static const gs_stream streams[FRAMES] = {
    {.id = 0, .kind = GS_METAL_PI, .sample_type = GS_INT32, .channels = 1, .values = 8, .rate = 500, .scale = 1,
     .axis = axis, .n_axis = 8, .name = "metal", .unit = "V"},
    {.id = 1, .kind = GS_RADAR, .sample_type = GS_INT16, .channels = 1, .values = 256, .rate = 25, .scale = 1,
     .sampling_interval = 1e-10, .name = "radar", .unit = "count"},
    {.id = 2, .kind = GS_RADAR, .sample_type = GS_INT16, .channels = 1, .values = 509, .rate = 200, .scale = 1,
     .sampling_interval = 1e-10, .name = "long", .unit = "count"},
};
static uint32_t ticks[FRAMES][10];
static int32_t odometer[2][10];
static int32_t metal[10 * 8];
static int16_t radar[256], longer[4 * 509];
static gs_buffer buffers[FRAMES] = {
    {.ticks = ticks[0], .odometer_um = odometer[0], .raw = metal, .capacity = 10},
    {.ticks = ticks[1], .odometer_um = odometer[1], .raw = radar, .capacity = 1},
    {.ticks = ticks[2], .raw = longer, .capacity = 4},
};
static int16_t samples[512];

uint16_t frames_records(int which)
{
    return buffers[which].capacity;
}

void frames_start(gs_head *head, const gs_board *board)
{
    memset(head, 0, sizeof *head);
    head->model = head->serial = head->firmware = "bench";
    head->tick_hz = 1e6;
    head->streams = streams;
    head->buffers = buffers;
    head->n_streams = FRAMES;
    head->board = board;
    head->status_ticks = 1u << 31;
    (void)gs_init(head);
    uint32_t noise = 1;
    for (int i = 0; i < 512; i++) {
        noise = noise * 1664525u + 1013904223u;
        samples[i] = (int16_t)((int32_t)(noise >> 16) % 2000 - 1000);
    }
    /* START, request 0, sequence 0 */
    static const uint8_t start[] = {
        0x03, 0x01, 0x80, 0x01, 0x01, 0x01, 0x02, 0x02, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x05, 0x42, 0xFA, 0xA1, 0x08, 0x00,
    };
    (void)gs_receive(head, start, sizeof start);
}

void frames_make(gs_head *head, int which)
{
    for (uint16_t i = 0; i < buffers[which].capacity; i++) {
        gs_record(head, (uint8_t)which, i, i, samples);
    }
}
