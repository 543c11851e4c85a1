/* A head on standard input and output, for tests: each request is a u32 length, a letter and a body;
 * each answer a u32 length and a body, mostly the bytes that the head has sent. Runs on little-endian
 * machines only; the library under test does not care. Anything that cannot be is abort(). */
#include "groundsweep_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *request;
static size_t request_size, at;

static uint8_t *out;
static size_t out_size, out_capacity;

static gs_head head;
static void *owned[4096];
static size_t n_owned;
static size_t room = SIZE_MAX;
static uint32_t run;
static uint32_t last_records; /* that stop() still hands over; at most 1 KB each */
static char reasons[3][256]; /* of start, changed, save */

static void out_put(const void *bytes, size_t n)
{
    if (n > out_capacity - out_size) {
        out_capacity = 2 * (out_size + n);
        out = realloc(out, out_capacity);
    }
    if (n > 0) {
        memcpy(out + out_size, bytes, n);
    }
    out_size += n;
}

static void *own(size_t n)
{
    if (n_owned == sizeof owned / sizeof *owned) {
        abort();
    }
    return owned[n_owned++] = calloc(n > 0 ? n : 1, 1);
}

static const uint8_t *take(size_t n)
{
    if (n > request_size - at) {
        abort();
    }
    at += n;
    return request + at - n;
}

#define TAKE(type, name)           \
    type name;                     \
    memcpy(&name, take(sizeof name), sizeof name)

static const char *take_text(void)
{
    TAKE(uint8_t, n);
    char *text = own(n + 1u);
    memcpy(text, take(n), n);
    return text;
}

static size_t board_room(void *context)
{
    (void)context;
    return room;
}

static void board_write(void *context, const uint8_t *bytes, size_t n)
{
    (void)context;
    if (n > 256 || n > room) {
        abort(); /* more than was allowed */
    }
    if (room != SIZE_MAX) {
        room -= n;
    }
    out_put(bytes, n);
}

static uint32_t board_new_run(void *context)
{
    (void)context;
    return run++;
}

static const char *reason(int which)
{
    return reasons[which][0] != '\0' ? reasons[which] : NULL;
}

static const char *board_start(void *context)
{
    (void)context;
    return reason(0);
}

static void board_stop(void *context)
{
    (void)context;
    static const uint8_t zeros[1024];
    while (last_records > 0) {
        gs_record(&head, 0, last_records--, 0, zeros);
    }
}

static const char *board_changed(void *context, uint16_t parameter)
{
    (void)context;
    if (parameter >= head.n_parameters) {
        abort();
    }
    return reason(1);
}

static const char *board_save(void *context)
{
    (void)context;
    return reason(2);
}

static const gs_board board = {
    .room = board_room, .write = board_write, .new_run = board_new_run, .start = board_start,
    .stop = board_stop, .changed = board_changed, .save = board_save,
};

/* u32 status_ticks, u16 n_parameters, then payloads of DEVICE, STREAMs each with u16 capacity and u8
 * odometer, PARAMETERs: as the protocol has them */
static void define(void)
{
    while (n_owned > 0) {
        free(owned[--n_owned]);
    }
    memset(&head, 0, sizeof head);
    memset(reasons, 0, sizeof reasons);
    room = SIZE_MAX;
    TAKE(uint32_t, status_ticks);
    TAKE(uint16_t, n_parameters);
    TAKE(double, tick_hz);
    (void)take(4);
    TAKE(uint8_t, n_streams);
    head.board = &board;
    head.status_ticks = status_ticks;
    head.tick_hz = tick_hz;
    head.n_streams = n_streams;
    head.n_parameters = n_parameters;
    head.model = take_text();
    head.serial = take_text();
    head.firmware = take_text();
    gs_stream *streams = own(n_streams * sizeof *streams);
    gs_buffer *buffers = own(n_streams * sizeof *buffers);
    for (int i = 0; i < n_streams; i++) {
        gs_stream *s = &streams[i];
        memcpy(&s->id, take(1), 1);
        memcpy(&s->kind, take(1), 1);
        memcpy(&s->sample_type, take(1), 1);
        (void)take(1);
        memcpy(&s->channels, take(2), 2);
        memcpy(&s->values, take(2), 2);
        memcpy(&s->rate, take(8), 8);
        memcpy(&s->scale, take(8), 8);
        memcpy(&s->offset, take(8), 8);
        memcpy(&s->sampling_interval, take(8), 8);
        memcpy(&s->centre_frequency, take(8), 8);
        memcpy(&s->step, take(8), 8);
        memcpy(&s->n_axis, take(2), 2);
        double *axis = own(8u * s->n_axis);
        memcpy(axis, take(8u * s->n_axis), 8u * s->n_axis);
        s->axis = axis;
        s->name = take_text();
        s->unit = take_text();
        TAKE(uint16_t, capacity);
        TAKE(uint8_t, odometer);
        buffers[i].capacity = capacity;
        buffers[i].ticks = own(4u * capacity);
        buffers[i].odometer_um = odometer ? own(4u * capacity) : NULL;
        buffers[i].raw = own((size_t)capacity * s->channels * s->values * (s->sample_type <= GS_UINT16 ? 2 : 4));
    }
    gs_parameter *parameters = own(n_parameters * sizeof *parameters);
    double *now = own(n_parameters * sizeof *now);
    head.values = own(n_parameters * sizeof *head.values);
    for (int i = 0; i < n_parameters; i++) {
        gs_parameter *p = &parameters[i];
        (void)take(4);
        memcpy(&p->kind, take(1), 1);
        memcpy(&p->flags, take(1), 1);
        memcpy(&p->low, take(8), 8);
        memcpy(&p->high, take(8), 8);
        memcpy(&p->initial, take(8), 8);
        memcpy(&now[i], take(8), 8);
        p->name = take_text();
        p->unit = take_text();
        p->description = take_text();
    }
    head.streams = streams;
    head.buffers = buffers;
    head.parameters = parameters;
    const char *wrong = gs_init(&head);
    if (wrong != NULL) {
        out_put(wrong, strlen(wrong));
        return;
    }
    for (int i = 0; i < n_parameters; i++) {
        head.values[i] = now[i];
    }
}

static void obey(uint8_t what)
{
    switch (what) {
    case 'D':
        define();
        break;
    case 'F': { /* feed, in pieces of so many bytes; first of the answer is how many were taken */
        TAKE(uint32_t, piece);
        uint32_t taken = 0;
        out_put(&taken, 4);
        while (at < request_size) {
            size_t n = request_size - at < piece ? request_size - at : piece;
            /* a copy of just this size, so that reading beyond it is seen */
            uint8_t *copy = malloc(n);
            memcpy(copy, request + at, n);
            size_t used = gs_receive(&head, copy, n);
            free(copy);
            taken += (uint32_t)used;
            at += used;
            if (used < n) {
                break;
            }
        }
        memcpy(out, &taken, 4);
        break;
    }
    case 'R': {
        TAKE(uint8_t, stream);
        TAKE(uint32_t, tick);
        TAKE(int32_t, odometer);
        gs_record(&head, stream, tick, odometer, request + at);
        break;
    }
    case 'S': {
        TAKE(uint32_t, tick);
        TAKE(uint32_t, faults);
        TAKE(uint16_t, battery);
        TAKE(int16_t, temperature);
        head.faults = faults;
        head.battery_mv = battery;
        head.temperature_centidegrees = temperature;
        gs_service(&head, tick);
        break;
    }
    case 'M': {
        TAKE(uint8_t, stream);
        TAKE(uint32_t, n);
        gs_missed(&head, stream, n);
        break;
    }
    case 'P': {
        TAKE(uint32_t, n);
        last_records = n;
        break;
    }
    case 'X':
        gs_flush(&head);
        break;
    case 'E': {
        TAKE(uint8_t, state);
        gs_end(&head, state);
        break;
    }
    case 'L': {
        TAKE(uint32_t, bytes);
        room = bytes == 0xFFFFFFFFu ? SIZE_MAX : bytes;
        break;
    }
    case 'N': { /* next run, next sequence */
        TAKE(uint32_t, next_run);
        TAKE(uint16_t, sequence);
        run = next_run;
        head.sequence = sequence;
        break;
    }
    case 'H': {
        TAKE(uint8_t, which);
        size_t n = request_size - at;
        memcpy(reasons[which % 3], take(n), n);
        reasons[which % 3][n] = '\0';
        break;
    }
    case 'C': {
        uint32_t longest = (uint32_t)gs_longest_frame(&head);
        uint32_t state = head.state;
        out_put(&head.received, sizeof head.received);
        out_put(&state, 4);
        out_put(&head.dropped, 4);
        out_put(&longest, 4);
        break;
    }
    case 'V':
        out_put(head.values, 8u * head.n_parameters);
        break;
    case 'G': /* as many numbers as there are, a line each */
        while (at < request_size) {
            TAKE(double, value);
            char *text = malloc(GS_NUMBER_SIZE);
            size_t n = gs_format(value, text);
            out_put(text, n);
            out_put("\n", 1);
            free(text);
        }
        break;
    default:
        abort();
    }
}

int main(void)
{
    uint32_t size;
    while (fread(&size, 4, 1, stdin) == 1) {
        request = malloc(size);
        if (size == 0 || fread(request, 1, size, stdin) != size) {
            abort();
        }
        request_size = size;
        at = 1;
        out_size = 0;
        obey(request[0]);
        free(request);
        uint32_t answer = (uint32_t)out_size;
        fwrite(&answer, 4, 1, stdout);
        if (out_size > 0) {
            fwrite(out, 1, out_size, stdout);
        }
        fflush(stdout);
    }
    while (n_owned > 0) {
        free(owned[--n_owned]);
    }
    free(out);
    return 0;
}
