/* The device side of the groundsweep wire protocol, version 1: for the firmware of a detector head.
 *
 * Two files, C99, no heap, no globals, no printf, no mathematics library. The firmware owns all
 * memory and gives it here; this code calls back to send bytes and to start and stop the sensors.
 * docs/firmware-guide.md walks through it, docs/wire-protocol.md says what goes over the line.
 *
 * Nothing here may be called from an interrupt while the main loop is inside it: take samples in the
 * interrupt, hand them over in the loop.
 */
#ifndef GROUNDSWEEP_DEVICE_H
#define GROUNDSWEEP_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GS_METAL_PI = 1, GS_METAL_CW = 2, GS_METAL = 3, GS_RADAR = 4, GS_RADAR_SFCW = 5 };
enum { GS_INT16 = 1, GS_UINT16 = 2, GS_INT32 = 3, GS_FLOAT32 = 4 };
enum { GS_NUMBER = 0, GS_WHOLE = 1, GS_SWITCH = 2 };
enum { GS_WRITABLE = 1, GS_PERSISTENT = 2 };
enum { GS_IDLE = 0, GS_STREAMING = 1, GS_FINISHED = 2, GS_FAULT = 3 };

/* Bits of gs_head.faults; 7 to 31 are the maker's. */
enum {
    GS_ADC_SATURATED = 1,
    GS_TX_CURRENT_LOW = 2,
    GS_BATTERY_LOW = 4,
    GS_SENSOR_FROZEN = 8,
    GS_OVERRUN = 16, /* added by this code to the STATUS that follows a loss of records */
    GS_TEMPERATURE = 32,
    GS_SELF_TEST = 64
};

/* One stream of the head. Constant; may lie in flash. */
typedef struct gs_stream {
    uint8_t id;
    uint8_t kind;        /* GS_METAL_PI ... */
    uint8_t sample_type; /* GS_INT16 ... */
    uint16_t channels;   /* coils or antennas */
    uint16_t values;     /* per channel and record: gates, I/Q values, or samples per A-scan */
    double rate;         /* records per second, nominal */
    double scale;        /* physical value = raw * scale + offset, in unit; not 0 */
    double offset;
    double sampling_interval; /* radar: s between samples of an A-scan; else 0 */
    double centre_frequency;  /* radar: Hz; else 0 */
    double step;              /* m between records where an odometer triggers them; 0 if time does */
    const double *axis;       /* pulse induction: gate centres, s; continuous wave: frequencies, Hz */
    uint16_t n_axis;
    const char *name; /* letters, digits, '-', '_' */
    const char *unit;
} gs_stream;

/* Where the records of one stream wait until a frame of them is full. All arrays have `capacity`
 * entries; as many records go into one frame: about 20 ms of them, and at most 4 kB. */
typedef struct gs_buffer {
    uint32_t *ticks;
    int32_t *odometer_um; /* NULL if the head has no odometer */
    void *raw;            /* capacity * channels * values samples, aligned for their type */
    uint16_t capacity;
    /* from here on this code's own */
    uint16_t n;
    uint32_t made;
} gs_buffer;

/* One entry of the parameter table. Constant; may lie in flash. Its value is in gs_head.values. */
typedef struct gs_parameter {
    const char *name; /* letters, digits, '_' */
    const char *unit;
    const char *description;
    double low;
    double high;
    double initial; /* value at first power-on and after DEFAULTS */
    uint8_t kind;   /* GS_NUMBER ... */
    uint8_t flags;  /* GS_WRITABLE | GS_PERSISTENT */
} gs_parameter;

/* What the board does for this code. `context` is handed to each function.
 * A function that returns text returns NULL when done, or why not: a sentence for a person, kept
 * until the next call. */
typedef struct gs_board {
    void *context;
    /* Bytes that write() would take now without waiting. NULL: write() waits as long as it must. */
    size_t (*room)(void *context);
    /* Send n bytes. Called only for as much as room() allowed; a frame may come in several calls. */
    void (*write)(void *context, const uint8_t *bytes, size_t n);
    /* A number that no earlier START had, over power cuts too: a counter in persistent memory, or noise. */
    uint32_t (*new_run)(void *context);
    const char *(*start)(void *context); /* may be NULL */
    void (*stop)(void *context); /* may be NULL; the last records may still be handed over in it */
    const char *(*changed)(void *context, uint16_t parameter); /* may be NULL; if refused the old value returns */
    const char *(*save)(void *context);                       /* NULL: this head cannot save */
} gs_board;

/* What came from the host; every frame is in one of these. */
typedef struct gs_received {
    uint32_t commands;
    uint32_t bad_cobs;
    uint32_t bad_crc;
    uint32_t too_short;
    uint32_t too_long;
    uint32_t wrong_version;
    uint32_t unknown;   /* whole messages of a type that a head does not know */
    uint32_t senseless; /* commands too short for their fields */
} gs_received;

/* Longest part of a command's payload that is looked at: request, opcode, name, value. */
#define GS_COMMAND_SIZE 267

/* A head. Fill in the first part (the rest must be 0), then call gs_init. */
typedef struct gs_head {
    const char *model;
    const char *serial; /* the same for the life of the head */
    const char *firmware;
    double tick_hz;
    const gs_stream *streams;
    gs_buffer *buffers; /* one for each stream */
    uint8_t n_streams;
    const gs_parameter *parameters;
    double *values; /* one for each parameter; the firmware itself sets those that cannot be written */
    uint16_t n_parameters;
    const gs_board *board;
    uint32_t status_ticks; /* between STATUS messages: about tick_hz / 4 */

    /* told in STATUS; the firmware sets them whenever they change */
    uint32_t faults;
    uint16_t battery_mv;              /* 0: none */
    int16_t temperature_centidegrees; /* 0.01 degrees C */

    /* to be read, not written */
    uint8_t state;
    uint32_t dropped; /* records of all streams thrown away since START */
    gs_received received;

    /* this code's own */
    const char *reason;  /* of a refusal, from the board */
    uint32_t tick;       /* the latest that gs_service was told */
    uint32_t run;        /* of the records */
    uint32_t status_tick; /* of the last STATUS */
    uint32_t tx_crc;
    uint32_t rx_crc;
    uint16_t sequence;   /* of the next frame */
    uint16_t step;       /* how far the answer to a command has come */
    uint16_t parameter;  /* that the command is about */
    uint16_t tx_size;    /* bytes in tx */
    uint16_t tx_block;   /* where in tx the open COBS block begins */
    uint16_t rx_size;    /* bytes of the frame so far, stuffing taken out */
    uint8_t rx_left;     /* bytes still to come in the COBS block */
    uint8_t result;      /* of the command */
    bool answering;      /* rx holds a command whose answer is not all sent */
    bool overrun;        /* records were dropped since the last STATUS */
    bool hashing;        /* what is put goes into tx_crc only */
    bool tx_full;        /* the last COBS block was a full one: no zero is owed for it */
    bool rx_begun;
    bool rx_zero;        /* the COBS block stands for a zero, if another follows */
    bool rx_long;
    uint8_t rx[8 + GS_COMMAND_SIZE];
    uint8_t tx[256];
} gs_head;

/* Bring a filled-in head to life: idle, every parameter at its default.
 * Returns NULL, or what is wrong with the tables, as a sentence for whoever wrote them. */
const char *gs_init(gs_head *head);

/* Most bytes of one frame that this head may send. room() must be able to reach it. */
size_t gs_longest_frame(const gs_head *head);

/* Bytes from the host. Returns how many were taken: less than n while the answer to a command waits
 * for room on the line; offer the rest again later. */
size_t gs_receive(gs_head *head, const uint8_t *bytes, size_t n);

/* Call often, with the tick counter: goes on with answers that wait for room, sends full frames that
 * do, and STATUS when it is due. */
void gs_service(gs_head *head, uint32_t tick);

/* A record of stream number `stream` in the table, taken at `tick`; the odometer is ignored if the
 * stream's buffer has none. Does nothing unless streaming. */
void gs_record(gs_head *head, uint8_t stream, uint32_t tick, int32_t odometer_um, const void *samples);

/* The same without a copy: write the samples to gs_slot, then call gs_commit. The slot is NULL
 * unless streaming. */
void *gs_slot(gs_head *head, uint8_t stream);
void gs_commit(gs_head *head, uint8_t stream, uint32_t tick, int32_t odometer_um);

/* n records were made and lost before they reached this code: they count as made and as dropped. */
void gs_missed(gs_head *head, uint8_t stream, uint32_t n);

/* Send the records that wait in half-full frames, as far as there is room. */
void gs_flush(gs_head *head);

/* The firmware itself ends streaming: GS_FINISHED, GS_FAULT or GS_IDLE. */
void gs_end(gs_head *head, uint8_t state);

/* A number as C's "%g" writes it, exactly rounded, without printf. Returns its length; a 0 follows. */
#define GS_NUMBER_SIZE 14
size_t gs_format(double value, char out[GS_NUMBER_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
