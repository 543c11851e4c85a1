/* Reference firmware: a dual head (pulse induction and radar) on an Arm MPS2 board, sensors simulated.
 *
 * It sweeps for ever along a track with a target every few metres, and does wrong on command: its
 * writable parameters drop, damage, repeat and withhold frames, stall the line, saturate and freeze
 * the sensors, move the tick counter to its wrap, and reset the board. */
#include <string.h>

#include "../groundsweep_device.h"
#include "board.h"
#include "kept.h"
#include "line.h"
#include "physics.h"
#include "sampling.h"

enum { METAL_HZ = 500, RADAR_HZ = 25 };
enum { GRACE = BOARD_CLOCK_HZ / 5 };      /* ticks for the reply, and the host's reading back, to get out */
enum { METAL_RECORDS = 10, RADAR_RECORDS = 1 }; /* in a frame: 20 ms; one A-scan is 40 ms */

static const double gate_axis[GATES] = {GATE_AXIS};

static const gs_stream streams[SAMPLERS] = {
    {
        .id = 0, .kind = GS_METAL_PI, .sample_type = GS_INT32, .channels = 1, .values = GATES, .rate = METAL_HZ,
        .scale = 5.0 / 8388608.0, .axis = gate_axis, .n_axis = GATES, .name = "metal", .unit = "V",
    },
    {
        .id = 1, .kind = GS_RADAR, .sample_type = GS_INT16, .channels = 1, .values = SCAN, .rate = RADAR_HZ,
        .scale = 1.0, .sampling_interval = SCAN_INTERVAL, .centre_frequency = SCAN_CENTRE, .name = "radar",
        .unit = "count",
    },
};

static uint32_t metal_ticks[METAL_RECORDS], radar_ticks[RADAR_RECORDS];
static int32_t metal_odometer[METAL_RECORDS], radar_odometer[RADAR_RECORDS];
static int32_t metal_raw[METAL_RECORDS * GATES];
static int16_t radar_raw[RADAR_RECORDS * SCAN];

static gs_buffer buffers[SAMPLERS] = {
    {.ticks = metal_ticks, .odometer_um = metal_odometer, .raw = metal_raw, .capacity = METAL_RECORDS},
    {.ticks = radar_ticks, .odometer_um = radar_odometer, .raw = radar_raw, .capacity = RADAR_RECORDS},
};

enum {
    TX_CURRENT, PULSE_US, SPEED, TARGET_SPACING, TARGET_DEPTH, NOISE,
    DROP_EVERY, DAMAGE_EVERY, GARBAGE_EVERY, REPEAT_EVERY, HANG_AFTER, STALL,
    TICK_OFFSET, FAULT_BITS, SATURATE, FREEZE, RESET,
    METAL_MADE, RADAR_MADE, FRAMES_MADE, FRAMES_DROPPED, FRAMES_DAMAGED, FRAMES_REPEATED,
    PARAMETERS
};

#define SETTING GS_NUMBER, GS_WRITABLE | GS_PERSISTENT
#define EVERY 0, 1e6, 0, GS_WHOLE, GS_WRITABLE
#define SWITCH 0, 1, 0, GS_SWITCH, GS_WRITABLE
#define COUNT 0, 4294967295.0, 0, GS_WHOLE, 0

static const gs_parameter parameters[PARAMETERS] = {
    [TX_CURRENT] = {"tx_current", "A", "transmitter current; scales the metal signal", 0.5, 2, 1, SETTING},
    [PULSE_US] = {"pulse_us", "us", "length of the transmit pulse", PULSE_S * 1e6, PULSE_S * 1e6, PULSE_S * 1e6,
                  GS_NUMBER, 0},
    [SPEED] = {"speed", "m/s", "of the head along its track", 0, 2, 0.4, SETTING},
    [TARGET_SPACING] = {"target_spacing", "m", "between the targets along the track", 0.5, 20, 2, SETTING},
    [TARGET_DEPTH] = {"target_depth", "m", "of the targets under the surface", 0.01, 0.5, 0.1, SETTING},
    [NOISE] = {"noise", "count", "peak of the sensors' noise", 0, 1000, 20, SETTING},
    [DROP_EVERY] = {"drop_every", "", "every n-th sample frame is never sent; 0 is off", EVERY},
    [DAMAGE_EVERY] = {"damage_every", "", "every n-th sample frame has a byte changed; 0 is off", EVERY},
    [GARBAGE_EVERY] = {"garbage_every", "", "noise before every n-th sample frame; 0 is off", EVERY},
    [REPEAT_EVERY] = {"repeat_every", "", "every n-th sample frame is sent twice; 0 is off", EVERY},
    [HANG_AFTER] = {"hang_after", "", "no sample frame leaves after n of them since START; 0 is off", EVERY},
    [STALL] = {"stall", "ms", "the line stands still for so long, each time this is set, from 0.2 s later on", 0, 60000, 0, GS_WHOLE,
               GS_WRITABLE},
    [TICK_OFFSET] = {"tick_offset", "", "added to the tick counter from the next START on", 0, 4294967295.0, 0,
                     GS_WHOLE, GS_WRITABLE},
    [FAULT_BITS] = {"fault_bits", "", "faults that STATUS tells, besides the true ones", 0, 4294967295.0, 0, GS_WHOLE,
                    GS_WRITABLE},
    [SATURATE] = {"saturate", "", "the sensors stand at the ends of their converters", SWITCH},
    [FREEZE] = {"freeze", "", "the sensors repeat their last values", SWITCH},
    [RESET] = {"reset", "", "1 restarts the board 0.2 s later", SWITCH},
    [METAL_MADE] = {"metal_made", "", "metal records since START, sent or not", COUNT},
    [RADAR_MADE] = {"radar_made", "", "radar records since START, sent or not", COUNT},
    [FRAMES_MADE] = {"frames_made", "", "sample frames given to the line since START", COUNT},
    [FRAMES_DROPPED] = {"frames_dropped", "", "of them, dropped on purpose", COUNT},
    [FRAMES_DAMAGED] = {"frames_damaged", "", "of them, damaged on purpose", COUNT},
    [FRAMES_REPEATED] = {"frames_repeated", "", "of them, sent twice on purpose", COUNT},
};

static double values[PARAMETERS];
static scene ground;
static uint32_t expected[SAMPLERS]; /* number of the next record */
static uint32_t clipped;            /* GS_ADC_SATURATED or 0 */
static uint32_t tick_offset;
static uint32_t reset_at;
static bool reset_wanted;
/* track: at base_ticks after START it stood at base_um */
static int64_t base_um, base_ticks, last_ticks;
static int32_t speed_um_s;

static uint32_t now(void)
{
    return board_ticks() + tick_offset;
}

static int64_t odometer_um(int64_t ticks)
{
    return base_um + (ticks - base_ticks) * speed_um_s / (int64_t)BOARD_CLOCK_HZ;
}

static void apply_settings(void)
{
    ground.tx_current = (float)values[TX_CURRENT];
    ground.spacing_m = (float)values[TARGET_SPACING];
    ground.depth_m = (float)values[TARGET_DEPTH];
    ground.noise = (float)values[NOISE];
    ground.saturated = values[SATURATE] > 0;
    base_um = odometer_um(last_ticks);
    base_ticks = last_ticks;
    speed_um_s = (int32_t)(values[SPEED] * 1e6);
    line_does_wrong.drop_every = (uint32_t)values[DROP_EVERY];
    line_does_wrong.damage_every = (uint32_t)values[DAMAGE_EVERY];
    line_does_wrong.garbage_every = (uint32_t)values[GARBAGE_EVERY];
    line_does_wrong.repeat_every = (uint32_t)values[REPEAT_EVERY];
    line_does_wrong.hang_after = (uint32_t)values[HANG_AFTER];
}

static const char *changed(void *context, uint16_t parameter)
{
    (void)context;
    if (parameter == STALL) {
        line_stall(GRACE, (uint32_t)values[STALL] * (BOARD_CLOCK_HZ / 1000u));
    } else if (parameter == RESET) {
        reset_wanted = values[RESET] > 0;
        reset_at = board_ticks() + GRACE;
    } else {
        apply_settings();
    }
    return NULL;
}

static const char *start(void *context)
{
    (void)context;
    static const uint32_t periods[SAMPLERS] = {BOARD_CLOCK_HZ / METAL_HZ, BOARD_CLOCK_HZ / RADAR_HZ};
    tick_offset = (uint32_t)values[TICK_OFFSET];
    base_um = base_ticks = last_ticks = 0;
    clipped = 0;
    memset(expected, 0, sizeof expected);
    line_begin_count();
    sampling_start(periods);
    return NULL;
}

static void take_records(void);

static void stop(void *context)
{
    (void)context;
    sampling_stop();
    take_records();
}

static uint32_t new_run(void *context)
{
    (void)context;
    return kept_next_run();
}

static const char *save(void *context)
{
    (void)context;
    kept_save(values, PARAMETERS);
    return NULL;
}

static const gs_board board = {
    .room = line_room, .write = line_write, .new_run = new_run, .start = start, .stop = stop, .changed = changed,
    .save = save,
};

static gs_head head = {
    .model = "groundsweep reference firmware", .serial = "EMULATED-1", .firmware = "1.0", .tick_hz = BOARD_CLOCK_HZ,
    .streams = streams, .buffers = buffers, .n_streams = SAMPLERS, .parameters = parameters, .values = values,
    .n_parameters = PARAMETERS, .board = &board, .status_ticks = BOARD_CLOCK_HZ / 4, .battery_mv = 7350,
    .temperature_centidegrees = 2150,
};

/* Measures the records that fell due. */
static void take_records(void)
{
    static int32_t gates[GATES];
    static int16_t scan[SCAN];
    uint8_t stream;
    due_record due;
    while (sampling_take(&stream, &due)) {
        gs_missed(&head, stream, due.number - expected[stream]);
        expected[stream] = due.number + 1;
        last_ticks = (int64_t)(due.number + 1u) * samplers[stream].period;
        int64_t um = odometer_um(last_ticks);
        float x_m = (float)(um % 1000000000) * 1e-6f; /* a float holds 1 km to 0.1 mm */
        if (values[FREEZE] == 0) {
            bool at_end = stream == METAL ? physics_gates(&ground, x_m, gates) : physics_scan(&ground, x_m, scan);
            clipped |= at_end ? (uint32_t)GS_ADC_SATURATED : 0u;
        }
        const void *samples = stream == METAL ? (const void *)gates : (const void *)scan;
        gs_record(&head, stream, due.tick + tick_offset, (int32_t)(uint32_t)um, samples);
    }
}

static void tell_counts(void)
{
    values[METAL_MADE] = samplers[METAL].made;
    values[RADAR_MADE] = samplers[RADAR].made;
    values[FRAMES_MADE] = line_did.sample_frames;
    values[FRAMES_DROPPED] = line_did.dropped;
    values[FRAMES_DAMAGED] = line_did.damaged;
    values[FRAMES_REPEATED] = line_did.repeated;
    head.faults = clipped | (uint32_t)values[FAULT_BITS];
}

/* A mistake in the tables above: said on the line, again and again, to whoever looks there. */
static void complain(const char *wrong)
{
    board_start(SAMPLING_HZ);
    for (;;) {
        for (const char *c = wrong; *c != '\0';) {
            c += board_send((uint8_t)*c) ? 1 : 0;
        }
        for (uint32_t began = board_ticks(); board_ticks() - began < BOARD_CLOCK_HZ;) {
        }
    }
}

int main(void)
{
    kept_begin(board_noise());
    const char *wrong = gs_init(&head);
    if (wrong != NULL) {
        complain(wrong);
    }
    for (uint16_t i = 0; i < PARAMETERS; i++) {
        if ((parameters[i].flags & GS_PERSISTENT) != 0) {
            (void)kept_value(i, &values[i]);
        }
    }
    apply_settings();
    physics_start(board_noise());
    board_start(SAMPLING_HZ);
    for (;;) {
        take_records();
        tell_counts();
        const uint8_t *bytes;
        size_t n = board_received(&bytes);
        board_consume(gs_receive(&head, bytes, n));
        gs_service(&head, now());
        line_pump();
        if (reset_wanted && (int32_t)(board_ticks() - reset_at) >= 0) {
            board_reset();
        }
        board_idle(sampling_waits);
    }
}
