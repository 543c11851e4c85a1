/* libFuzzer target: everything that a host can make a head do.
 *
 * An input is a series of steps. Step 0 feeds raw bytes up to the end; 1 feeds one frame whose COBS and
 * CRC are good and whose payload is free; 2 makes records; 3 changes the room on the line; 4 passes time.
 * What must hold is checked here: room is kept, every frame sent is whole, every command has one reply.
 * At the end it tells which opcodes were obeyed and which results were given, as bits: how far it got. */
#include "groundsweep_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t room;
static size_t frame_size;
static uint32_t replies;
static uint8_t frame_head[8];
static unsigned opcodes, results;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell(void)
{
    fprintf(stderr, "opcodes %#x results %#x\n", opcodes, results);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return atexit(tell);
}

static size_t board_room(void *context)
{
    (void)context;
    return room;
}

static void board_write(void *context, const uint8_t *bytes, size_t n)
{
    (void)context;
    if (n == 0 || n > room) {
        abort();
    }
    room -= n;
    for (size_t i = 0; i < n; i++) {
        if (frame_size < sizeof frame_head) {
            frame_head[frame_size] = bytes[i];
        }
        frame_size++;
        if (bytes[i] == 0) {
            if (frame_size < 10 || frame_head[1] != 1) {
                abort();
            }
            replies += frame_head[2] == 6;
            frame_size = 0;
        }
    }
}

static uint32_t new_run(void *context)
{
    (void)context;
    static uint32_t run;
    return run++;
}

static const char *changed(void *context, uint16_t parameter)
{
    const double *values = context;
    return values[parameter] == 13.0 ? "an unlucky number" : NULL;
}

/* CRC-32 and COBS once more, the plain way */
static size_t make_frame(const uint8_t *payload, size_t n, uint8_t out[600])
{
    uint8_t body[300] = {1, 0x80, 0, 0};
    memcpy(body + 4, payload, n);
    n += 4;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        crc ^= body[i];
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ ((crc & 1u) != 0 ? 0xEDB88320u : 0u);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        body[n++] = (uint8_t)(~crc >> (8u * i));
    }
    size_t code = 0, size = 1;
    for (size_t i = 0; i < n; i++) {
        if (body[i] != 0) {
            out[size++] = body[i];
        }
        if (body[i] == 0 || size - code == 255) {
            out[code] = (uint8_t)(size - code);
            code = size++;
        }
    }
    out[code] = (uint8_t)(size - code);
    out[size++] = 0;
    return size;
}

static void feed(gs_head *h, const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    memcpy(copy, bytes, n);
    size_t used = 0;
    while (used < n) {
        uint32_t before = h->received.commands;
        size_t now = gs_receive(h, copy + used, n - used);
        used += now;
        if (h->received.commands != before) { /* the last of them, if it was more than one */
            opcodes |= h->rx[6] < 16 ? 1u << h->rx[6] : 0u;
            results |= 1u << h->result;
        }
        if (now == 0 || h->answering) {
            room = 65536; /* a host that reads */
        }
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double axis[3] = {1e-5, 2e-5, 4e-5};
    static const gs_stream streams[2] = {
        {.id = 4, .kind = GS_METAL_PI, .sample_type = GS_INT32, .channels = 1, .values = 3, .rate = 100, .scale = 1,
         .axis = axis, .n_axis = 3, .name = "metal", .unit = "V"},
        {.id = 7, .kind = GS_RADAR, .sample_type = GS_INT16, .channels = 1, .values = 64, .rate = 20, .scale = 1,
         .sampling_interval = 1e-10, .name = "radar", .unit = ""},
    };
    static const gs_parameter parameters[3] = {
        {"gain", "dB", "of the input", -20, 60, 0, GS_NUMBER, GS_WRITABLE},
        {"n", "", "", 1, 64, 8, GS_WHOLE, GS_WRITABLE | GS_PERSISTENT},
        {"uptime", "s", "", 0, 1e9, 0, GS_NUMBER, 0},
    };
    static uint32_t ticks[2][4];
    static int32_t odometer[4], metal[12];
    static int16_t radar[2 * 64];
    gs_buffer buffers[2] = {
        {.ticks = ticks[0], .odometer_um = odometer, .raw = metal, .capacity = 4},
        {.ticks = ticks[1], .raw = radar, .capacity = 2},
    };
    double values[3];
    const gs_board board = {.context = values, .room = board_room, .write = board_write, .new_run = new_run,
                            .changed = changed};
    gs_head *h = calloc(1, sizeof *h);
    h->model = h->serial = h->firmware = "fuzzed";
    h->tick_hz = 1e6;
    h->streams = streams;
    h->buffers = buffers;
    h->n_streams = 2;
    h->parameters = parameters;
    h->values = values;
    h->n_parameters = 3;
    h->board = &board;
    h->status_ticks = 1000;
    room = 65536;
    frame_size = 0;
    replies = 0;
    if (gs_init(h) != NULL) {
        abort();
    }
    uint32_t tick = 0;
    static const uint8_t zero = 0;
    while (size >= 2) {
        uint8_t what = data[0] % 5, n = data[1];
        data += what == 0 ? 1 : 2;
        size -= what == 0 ? 1 : 2;
        if (what == 0) {
            feed(h, data, size);
            size = 0;
        } else if (what == 1) {
            uint8_t frame[600];
            size_t k = n < size ? n : size;
            feed(h, frame, make_frame(data, k, frame));
            data += k;
            size -= k;
        } else if (what == 2) {
            int16_t scan[64] = {n, 0, 1};
            for (int i = 0; i < n % 8; i++) {
                gs_record(h, n & 1, tick, n, scan);
            }
            gs_missed(h, n & 1, n & 2);
        } else if (what == 3) {
            room = (size_t)n * 4;
        } else {
            tick += n * 16u;
            gs_service(h, tick);
        }
    }
    room = 65536;
    feed(h, &zero, 1);
    gs_service(h, tick);
    if (replies != h->received.commands || h->answering || frame_size != 0) {
        abort();
    }
    if (!(values[0] >= -20 && values[0] <= 60) || !(values[1] >= 1 && values[1] <= 64) || values[2] != 0.0) {
        abort();
    }
    free(h);
    return 0;
}
