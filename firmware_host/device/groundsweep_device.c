/* Frames, messages, parameters and commands of a detector head. See groundsweep_device.h. */
#include "groundsweep_device.h"

#include <string.h>

/* The protocol sends IEEE 754 doubles; a compiler whose double has 4 bytes needs a switch (avr-gcc: -mdouble=64). */
typedef char double_must_have_8_bytes[sizeof(double) == 8 ? 1 : -1];

enum { PROTOCOL_VERSION = 1, OVERHEAD = 8, LONGEST_BODY = 65535, LONGEST_TEXT = 255 };
enum { DEVICE = 0x01, STREAM, SAMPLES, STATUS, PARAMETER, REPLY, COMMAND = 0x80 };
enum { DESCRIBE = 1, START, STOP, LIST_PARAMETERS, GET, SET, TELL_STATUS, SAVE, DEFAULTS };
enum { DONE = 0, UNKNOWN_COMMAND, UNKNOWN_PARAMETER, OUT_OF_RANGE, READ_ONLY, FAILED };
enum { SAMPLES_HEADER = 12, STATUS_SIZE = 17, REPLY_HEADER = 12, HAS_ODOMETER = 1 };

#define CRC_START 0xFFFFFFFFu
/* what the CRC register holds after data and their own CRC, whatever the data */
#define CRC_RESIDUE 0xDEBB20E3u

/* ---- CRC-32, four bits a step: 64 bytes of table ------------------------------------------- */

static uint32_t crc_of(uint32_t crc, const uint8_t *bytes, size_t n)
{
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return crc;
}

/* ---- sending: CRC and stuffing while the message is written, in pieces of at most 256 bytes -- */

static size_t frame_bound(size_t payload)
{
    size_t body = payload + OVERHEAD;
    return body + body / 254u + 2u;
}

static void append(gs_head *h, uint8_t byte)
{
    if (h->tx_size == sizeof h->tx) { /* the open block moves to the front; all before it can go */
        h->board->write(h->board->context, h->tx, h->tx_block);
        h->tx_size = (uint16_t)(h->tx_size - h->tx_block);
        memmove(h->tx, h->tx + h->tx_block, h->tx_size);
        h->tx_block = 0;
    }
    h->tx[h->tx_size++] = byte;
}

static void close_block(gs_head *h)
{
    h->tx[h->tx_block] = (uint8_t)(h->tx_size - h->tx_block);
    h->tx_block = h->tx_size;
}

static void next_block(gs_head *h)
{
    close_block(h);
    append(h, 0); /* its length, known later */
}

static void put(gs_head *h, const uint8_t *bytes, size_t n)
{
    h->tx_crc = crc_of(h->tx_crc, bytes, n);
    while (n > 0 && !h->hashing) {
        size_t in_block = (size_t)(h->tx_size - h->tx_block);
        size_t most = sizeof h->tx - h->tx_size;
        most = 255u - in_block < most ? 255u - in_block : most;
        most = n < most ? n : most;
        uint8_t *to = h->tx + h->tx_size;
        size_t run = 0;
        while (run < most && bytes[run] != 0) {
            to[run] = bytes[run];
            run++;
        }
        h->tx_size = (uint16_t)(h->tx_size + run);
        bytes += run;
        n -= run;
        if (in_block + run == 255u) {
            h->tx_full = true;
            next_block(h);
        } else if (n > 0 && *bytes == 0) {
            h->tx_full = false;
            next_block(h);
            bytes++;
            n--;
        } else if (n > 0) { /* tx is full in the middle of a block */
            append(h, *bytes++);
            n--;
        }
    }
}

static void put_whole(gs_head *h, uint64_t value, size_t n)
{
    uint8_t little[8];
    for (size_t i = 0; i < n; i++) {
        little[i] = (uint8_t)(value >> (8u * i));
    }
    put(h, little, n);
}

static void put_f64(gs_head *h, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_whole(h, bits, 8);
}

static size_t text_length(const char *text)
{
    size_t n = 0;
    while (n < LONGEST_TEXT && text[n] != '\0') {
        n++;
    }
    return n;
}

static void put_text(gs_head *h, const char *text)
{
    size_t n = text_length(text);
    put_whole(h, n, 1);
    put(h, (const uint8_t *)text, n);
}

/* count numbers of 2 or 4 bytes each, as they lie in memory */
static void put_array(gs_head *h, const void *numbers, size_t count, size_t size)
{
    const uint8_t *from = numbers;
    uint8_t little[64];
    while (count > 0) {
        size_t n = count < sizeof little / size ? count : sizeof little / size;
        for (size_t i = 0; i < n; i++) {
            uint32_t value;
            if (size == 2) {
                uint16_t half;
                memcpy(&half, from + 2 * i, 2);
                value = half;
            } else {
                memcpy(&value, from + 4 * i, 4);
                little[4 * i + 2] = (uint8_t)(value >> 16);
                little[4 * i + 3] = (uint8_t)(value >> 24);
            }
            little[size * i] = (uint8_t)value;
            little[size * i + 1] = (uint8_t)(value >> 8);
        }
        put(h, little, n * size);
        from += n * size;
        count -= n;
    }
}

/* Whether the line takes a whole frame now; if so it is begun. A frame is never sent in part. */
static bool begin(gs_head *h, uint8_t type, size_t payload)
{
    if (h->board->room != NULL && h->board->room(h->board->context) < frame_bound(payload)) {
        return false;
    }
    h->tx_size = 1;
    h->tx_block = 0;
    h->tx_full = false;
    h->tx_crc = CRC_START;
    put_whole(h, PROTOCOL_VERSION, 1);
    put_whole(h, type, 1);
    put_whole(h, h->sequence, 2);
    return true;
}

static void end(gs_head *h)
{
    put_whole(h, ~h->tx_crc, 4);
    if (h->tx_full && h->tx_size - h->tx_block == 1) {
        h->tx_size = h->tx_block;
    } else {
        close_block(h);
    }
    append(h, 0);
    h->board->write(h->board->context, h->tx, h->tx_size);
    h->sequence++;
}

/* ---- messages ------------------------------------------------------------------------------ */

static size_t sample_size(const gs_stream *s)
{
    return s->sample_type == GS_INT16 || s->sample_type == GS_UINT16 ? 2 : 4;
}

static size_t record_width(const gs_stream *s)
{
    return (size_t)s->channels * s->values;
}

static size_t device_size(const gs_head *h)
{
    return 16 + text_length(h->model) + text_length(h->serial) + text_length(h->firmware);
}

static size_t stream_size(const gs_stream *s)
{
    return 60 + 8u * (size_t)s->n_axis + text_length(s->name) + text_length(s->unit);
}

static size_t parameter_size(const gs_parameter *p)
{
    return 41 + text_length(p->name) + text_length(p->unit) + text_length(p->description);
}

static size_t samples_size(const gs_stream *s, const gs_buffer *b, size_t n)
{
    size_t each = (b->odometer_um != NULL ? 8u : 4u) + record_width(s) * sample_size(s);
    return SAMPLES_HEADER + n * each;
}

static void put_parameter(gs_head *h, uint16_t index, double value)
{
    const gs_parameter *p = &h->parameters[index];
    put_whole(h, index, 2);
    put_whole(h, h->n_parameters, 2);
    put_whole(h, p->kind, 1);
    put_whole(h, p->flags, 1);
    put_f64(h, p->low);
    put_f64(h, p->high);
    put_f64(h, p->initial);
    put_f64(h, value);
    put_text(h, p->name);
    put_text(h, p->unit);
    put_text(h, p->description);
}

static uint32_t parameter_hash(gs_head *h)
{
    h->hashing = true;
    h->tx_crc = CRC_START;
    for (uint16_t i = 0; i < h->n_parameters; i++) {
        put_parameter(h, i, 0.0);
    }
    h->hashing = false;
    return ~h->tx_crc;
}

static bool send_device(gs_head *h)
{
    uint32_t hash = parameter_hash(h);
    if (!begin(h, DEVICE, device_size(h))) {
        return false;
    }
    put_f64(h, h->tick_hz);
    put_whole(h, hash, 4);
    put_whole(h, h->n_streams, 1);
    put_text(h, h->model);
    put_text(h, h->serial);
    put_text(h, h->firmware);
    end(h);
    return true;
}

static bool send_stream(gs_head *h, const gs_stream *s)
{
    if (!begin(h, STREAM, stream_size(s))) {
        return false;
    }
    put_whole(h, s->id, 1);
    put_whole(h, s->kind, 1);
    put_whole(h, s->sample_type, 1);
    put_whole(h, 0, 1);
    put_whole(h, s->channels, 2);
    put_whole(h, s->values, 2);
    put_f64(h, s->rate);
    put_f64(h, s->scale);
    put_f64(h, s->offset);
    put_f64(h, s->sampling_interval);
    put_f64(h, s->centre_frequency);
    put_f64(h, s->step);
    put_whole(h, s->n_axis, 2);
    for (uint16_t i = 0; i < s->n_axis; i++) {
        put_f64(h, s->axis[i]);
    }
    put_text(h, s->name);
    put_text(h, s->unit);
    end(h);
    return true;
}

static bool send_parameter(gs_head *h, uint16_t index)
{
    if (!begin(h, PARAMETER, parameter_size(&h->parameters[index]))) {
        return false;
    }
    put_parameter(h, index, h->values[index]);
    end(h);
    return true;
}

static bool send_status(gs_head *h)
{
    if (!begin(h, STATUS, STATUS_SIZE)) {
        return false;
    }
    put_whole(h, h->state, 1);
    put_whole(h, h->faults | (h->overrun ? (uint32_t)GS_OVERRUN : 0u), 4);
    put_whole(h, h->tick, 4);
    put_whole(h, h->dropped, 4);
    put_whole(h, h->battery_mv, 2);
    put_whole(h, (uint16_t)h->temperature_centidegrees, 2);
    end(h);
    h->overrun = false;
    h->status_tick = h->tick;
    return true;
}

static bool send_samples(gs_head *h, uint8_t stream)
{
    const gs_stream *s = &h->streams[stream];
    gs_buffer *b = &h->buffers[stream];
    if (!begin(h, SAMPLES, samples_size(s, b, b->n))) {
        return false;
    }
    put_whole(h, s->id, 1);
    put_whole(h, b->odometer_um != NULL ? HAS_ODOMETER : 0, 1);
    put_whole(h, b->n, 2);
    put_whole(h, h->run, 4);
    put_whole(h, b->made - b->n, 4);
    put_array(h, b->ticks, b->n, 4);
    if (b->odometer_um != NULL) {
        put_array(h, b->odometer_um, b->n, 4);
    }
    put_array(h, b->raw, b->n * record_width(s), sample_size(s));
    end(h);
    b->n = 0;
    return true;
}

/* ---- records ------------------------------------------------------------------------------- */

/* Whether nothing is left that should go now: full frames, and half-full ones when all shall go. */
static bool send_waiting(gs_head *h, bool all)
{
    bool sent = true;
    for (uint8_t i = 0; i < h->n_streams; i++) {
        gs_buffer *b = &h->buffers[i];
        if (b->n > 0 && (all || b->n == b->capacity)) {
            sent = send_samples(h, i) && sent;
        }
    }
    return sent;
}

static void drop(gs_head *h, uint32_t n)
{
    h->dropped += n;
    h->overrun = true;
}

void *gs_slot(gs_head *h, uint8_t stream)
{
    gs_buffer *b = &h->buffers[stream];
    if (h->state != GS_STREAMING) {
        return NULL;
    }
    if (b->n == b->capacity && !send_samples(h, stream)) {
        drop(h, b->n);
        b->n = 0;
    }
    const gs_stream *s = &h->streams[stream];
    return (uint8_t *)b->raw + b->n * record_width(s) * sample_size(s);
}

void gs_commit(gs_head *h, uint8_t stream, uint32_t tick, int32_t odometer_um)
{
    gs_buffer *b = &h->buffers[stream];
    if (h->state != GS_STREAMING || b->n == b->capacity) {
        return;
    }
    b->ticks[b->n] = tick;
    if (b->odometer_um != NULL) {
        b->odometer_um[b->n] = odometer_um;
    }
    b->n++;
    b->made++;
    if (b->n == b->capacity) {
        (void)send_samples(h, stream); /* tried again by gs_service and, for the last time, by gs_slot */
    }
}

void gs_record(gs_head *h, uint8_t stream, uint32_t tick, int32_t odometer_um, const void *samples)
{
    void *slot = gs_slot(h, stream);
    if (slot != NULL) {
        const gs_stream *s = &h->streams[stream];
        memcpy(slot, samples, record_width(s) * sample_size(s));
        gs_commit(h, stream, tick, odometer_um);
    }
}

void gs_missed(gs_head *h, uint8_t stream, uint32_t n)
{
    gs_buffer *b = &h->buffers[stream];
    if (h->state != GS_STREAMING || n == 0) {
        return;
    }
    if (b->n > 0 && !send_samples(h, stream)) { /* a frame has no hole in it, so what waits cannot wait on */
        drop(h, b->n);
        b->n = 0;
    }
    b->made += n;
    drop(h, n);
}

void gs_flush(gs_head *h)
{
    (void)send_waiting(h, true);
}

void gs_end(gs_head *h, uint8_t state)
{
    h->state = state;
    (void)send_waiting(h, true);
}

/* ---- numbers in words ---------------------------------------------------------------------- */

/* The first 7 significant digits of m * 2^e, m > 0, exactly cut off; *more tells whether any follow.
 * Returns the decimal exponent of the first. One big number, of 16-bit words: no 64-bit division. */
static int leading_digits(uint64_t m, int e, uint8_t digits[7], bool *more)
{
    enum { WORDS = 68 };
    uint16_t big[WORDS] = {0}; /* lowest word first */
    int count = 0;
    *more = false;
    memset(digits, 0, 7);
    /* m times a power of two as a number of 16-bit words, behind the binary point if e < 0 */
    int point = e < 0 ? (-e + 15) / 16 : 0;
    int shift = e + 16 * point;
    for (int i = 0; i < 64; i++) {
        if ((m >> i & 1u) != 0) {
            int at = i + shift;
            big[at / 16] = (uint16_t)(big[at / 16] | 1u << (at % 16));
        }
    }
    int top = WORDS;
    while (top > point && big[top - 1] == 0) {
        top--;
    }
    while (top > point) { /* what is before the point, from its last digit to its first */
        uint32_t rest = 0;
        for (int i = top - 1; i >= point; i--) {
            uint32_t part = rest << 16 | big[i];
            big[i] = (uint16_t)(part / 10u);
            rest = part % 10u;
        }
        *more = *more || digits[6] != 0;
        memmove(digits + 1, digits, 6);
        digits[0] = (uint8_t)rest;
        count++;
        while (top > point && big[top - 1] == 0) {
            top--;
        }
    }
    int exponent = count - 1;
    while (point > 0) { /* what is behind it, from its first digit on */
        int low = 0;
        while (low < point && big[low] == 0) {
            low++;
        }
        if (low == point) {
            break;
        }
        if (count >= 7) {
            *more = true;
            break;
        }
        uint32_t carry = 0;
        for (int i = low; i < point; i++) {
            carry += big[i] * 10u;
            big[i] = (uint16_t)carry;
            carry >>= 16;
        }
        if (count > 0 || carry > 0) {
            digits[count++] = (uint8_t)carry;
        } else {
            exponent--;
        }
    }
    return exponent;
}

size_t gs_format(double value, char out[GS_NUMBER_SIZE])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int power = (int)(bits >> 52 & 0x7FFu);
    uint64_t m = bits & 0xFFFFFFFFFFFFFu;
    char *p = out;
    if (power == 0x7FF && m != 0) {
        memcpy(out, "nan", 4);
        return 3;
    }
    if (bits >> 63 != 0) {
        *p++ = '-';
    }
    if (power == 0x7FF) {
        memcpy(p, "inf", 4);
        return (size_t)(p - out) + 3u;
    }
    uint8_t digits[7] = {0};
    int exponent = 0;
    if (power != 0 || m != 0) {
        bool more;
        exponent = leading_digits(power != 0 ? m | 1ull << 52 : m, power != 0 ? power - 1075 : -1074, digits, &more);
        if (digits[6] > 5 || (digits[6] == 5 && (more || (digits[5] & 1u) != 0))) {
            int i = 5;
            while (i >= 0 && digits[i] == 9) {
                digits[i--] = 0;
            }
            if (i >= 0) {
                digits[i]++;
            } else {
                digits[0] = 1;
                exponent++;
            }
        }
    }
    int n = 6;
    while (n > 1 && digits[n - 1] == 0) {
        n--;
    }
    bool scientific = exponent < -4 || exponent >= 6;
    int before = scientific ? 1 : exponent + 1; /* digits before the point */
    if (before <= 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = before; i < 0; i++) {
            *p++ = '0';
        }
    }
    for (int i = 0; i < n || i < before; i++) {
        if (i == before && i > 0) {
            *p++ = '.';
        }
        *p++ = (char)('0' + digits[i]);
    }
    if (scientific) {
        unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
        *p++ = 'e';
        *p++ = exponent < 0 ? '-' : '+';
        if (size >= 100) {
            *p++ = (char)('0' + size / 100u);
        }
        *p++ = (char)('0' + size / 10u % 10u);
        *p++ = (char)('0' + size % 10u);
    }
    *p = '\0';
    return (size_t)(p - out);
}

static bool is_whole(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int power = (int)(bits >> 52 & 0x7FFu) - 1023;
    if (bits << 1 == 0 || power >= 52) {
        return true;
    }
    return power >= 0 && (bits << (12 + power)) == 0;
}

static bool in_range(const gs_parameter *p, double value)
{
    return p->low <= value && value <= p->high;
}

/* ---- commands ------------------------------------------------------------------------------ */

static uint16_t received_request(const gs_head *h)
{
    return (uint16_t)(h->rx[4] | h->rx[5] << 8);
}

static double received_value(const gs_head *h)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++) {
        bits |= (uint64_t)h->rx[8u + h->rx[7] + i] << (8u * i);
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The words of a reply, in pieces, so that their length is known before they are sent. */
typedef struct words {
    size_t n;
    size_t length;
    struct {
        const char *text;
        size_t length;
    } piece[9];
} words;

static void say(words *w, const char *text, size_t length)
{
    size_t left = LONGEST_TEXT - w->length;
    w->piece[w->n].text = text;
    w->piece[w->n].length = length < left ? length : left;
    w->length += w->piece[w->n].length;
    w->n++;
}

static void say_text(words *w, const char *text)
{
    say(w, text, text_length(text));
}

static bool send_reply(gs_head *h)
{
    char asked[GS_NUMBER_SIZE], low[GS_NUMBER_SIZE], high[GS_NUMBER_SIZE];
    words w = {0};
    bool of_parameter = (h->rx[6] == GET || h->rx[6] == SET) && h->result != UNKNOWN_PARAMETER;
    const gs_parameter *p = of_parameter ? &h->parameters[h->parameter] : NULL;
    if (h->result == UNKNOWN_COMMAND) {
        say_text(&w, "command ");
        say(&w, asked, gs_format(h->rx[6], asked));
        say_text(&w, " is not known");
    } else if (h->result == UNKNOWN_PARAMETER) {
        say_text(&w, "there is no parameter ");
        say(&w, (const char *)&h->rx[8], h->rx[7]);
    } else if (h->result == READ_ONLY && p != NULL) {
        say_text(&w, p->name);
        say_text(&w, " can only be read");
    } else if (h->result == OUT_OF_RANGE && p != NULL) {
        say_text(&w, p->name);
        say_text(&w, " = ");
        say(&w, asked, gs_format(received_value(h), asked));
        if (in_range(p, received_value(h))) {
            say_text(&w, " is not allowed: it must be a whole number");
        } else {
            say_text(&w, " is not allowed: it must be from ");
            say(&w, low, gs_format(p->low, low));
            say_text(&w, " to ");
            say(&w, high, gs_format(p->high, high));
            say_text(&w, p->unit[0] != '\0' ? " " : "");
            say_text(&w, p->unit);
        }
    } else if (h->result == FAILED) {
        say_text(&w, h->reason);
    }
    if (!begin(h, REPLY, REPLY_HEADER + w.length)) {
        return false;
    }
    put_whole(h, received_request(h), 2);
    put_whole(h, h->result, 1);
    put_f64(h, of_parameter ? h->values[h->parameter] : 0.0);
    put_whole(h, w.length, 1);
    for (size_t i = 0; i < w.n; i++) {
        put(h, (const uint8_t *)w.piece[i].text, w.piece[i].length);
    }
    end(h);
    return true;
}

static void fail(gs_head *h, const char *reason)
{
    if (reason != NULL) {
        h->result = FAILED;
        h->reason = reason;
    }
}

static void change(gs_head *h, uint16_t index, double value)
{
    double before = h->values[index];
    h->values[index] = value;
    const char *reason = h->board->changed != NULL ? h->board->changed(h->board->context, index) : NULL;
    if (reason != NULL) {
        h->values[index] = before;
        fail(h, reason);
    }
}

static void find_parameter(gs_head *h)
{
    size_t n = h->rx[7];
    for (uint16_t i = 0; i < h->n_parameters; i++) {
        const char *name = h->parameters[i].name;
        if (text_length(name) == n && memcmp(name, &h->rx[8], n) == 0) {
            h->parameter = i;
            return;
        }
    }
    h->result = UNKNOWN_PARAMETER;
}

static void set_parameter(gs_head *h)
{
    const gs_parameter *p = &h->parameters[h->parameter];
    double value = received_value(h);
    if ((p->flags & GS_WRITABLE) == 0) {
        h->result = READ_ONLY;
    } else if (!in_range(p, value) || (p->kind != GS_NUMBER && !is_whole(value))) {
        h->result = OUT_OF_RANGE;
    } else {
        change(h, h->parameter, value);
    }
}

static void halt(gs_head *h)
{
    if (h->state == GS_STREAMING && h->board->stop != NULL) {
        h->board->stop(h->board->context);
    }
    h->state = GS_IDLE;
}

static void start(gs_head *h)
{
    for (uint8_t i = 0; i < h->n_streams; i++) {
        h->buffers[i].n = 0;
        h->buffers[i].made = 0;
    }
    h->dropped = 0;
    h->overrun = false;
    h->run = h->board->new_run(h->board->context);
    h->status_tick = h->tick;
    fail(h, h->board->start != NULL ? h->board->start(h->board->context) : NULL);
    h->state = h->result == DONE ? GS_STREAMING : GS_IDLE;
}

/* What a command does at once. What it makes the head send follows in answer(). */
static void obey(gs_head *h)
{
    const gs_board *board = h->board;
    switch (h->rx[6]) {
    case DESCRIBE:
    case LIST_PARAMETERS:
    case TELL_STATUS:
        break;
    case START:
    case STOP:
        halt(h);
        break;
    case GET:
        find_parameter(h);
        break;
    case SET:
        find_parameter(h);
        if (h->result == DONE) {
            set_parameter(h);
        }
        break;
    case SAVE:
        fail(h, board->save != NULL ? board->save(board->context) : "this head has no memory to save to");
        break;
    case DEFAULTS:
        for (uint16_t i = 0; i < h->n_parameters; i++) {
            if ((h->parameters[i].flags & GS_WRITABLE) != 0) {
                change(h, i, h->parameters[i].initial);
            }
        }
        break;
    default:
        h->result = UNKNOWN_COMMAND;
        break;
    }
}

/* One message more of the answer, or what else comes before the reply; whether all of it is done. */
static bool next_message(gs_head *h, bool *sent)
{
    *sent = true;
    switch (h->rx[6]) {
    case DESCRIBE:
        if (h->step > h->n_streams) {
            return true;
        }
        *sent = h->step == 0 ? send_device(h) : send_stream(h, &h->streams[h->step - 1]);
        return false;
    case LIST_PARAMETERS:
        if (h->step == h->n_parameters) {
            return true;
        }
        *sent = send_parameter(h, h->step);
        return false;
    case TELL_STATUS:
        if (h->step == 1) {
            return true;
        }
        *sent = send_status(h);
        return false;
    case START:
    case STOP:
        if (h->step == 1) {
            return true;
        }
        *sent = send_waiting(h, true); /* the records of the run that ends here */
        if (*sent && h->rx[6] == START) {
            start(h);
        }
        return false;
    default:
        return true;
    }
}

/* Goes on with the answer to a command as far as there is room. */
static void answer(gs_head *h)
{
    while (h->answering) {
        bool sent;
        if (next_message(h, &sent)) {
            if (!send_reply(h)) {
                return;
            }
            h->answering = false;
        } else if (sent) {
            h->step++;
        } else {
            return;
        }
    }
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void take(gs_head *h, uint8_t byte)
{
    if (h->rx_size == LONGEST_BODY) {
        h->rx_long = true;
        return;
    }
    h->rx_crc = crc_of(h->rx_crc, &byte, 1);
    if (h->rx_size < sizeof h->rx) { /* of a longer command only what is known is kept, but all is checked */
        h->rx[h->rx_size] = byte;
    }
    h->rx_size++;
}

static void take_stuffed(gs_head *h, uint8_t byte)
{
    h->rx_begun = true;
    if (h->rx_left > 0) {
        take(h, byte);
        h->rx_left--;
        return;
    }
    if (h->rx_zero) {
        take(h, 0);
    }
    h->rx_zero = byte < 255;
    h->rx_left = (uint8_t)(byte - 1);
}

static void begin_receiving(gs_head *h)
{
    h->rx_size = 0;
    h->rx_left = 0;
    h->rx_crc = CRC_START;
    h->rx_begun = false;
    h->rx_zero = false;
    h->rx_long = false;
}

static void judge_frame(gs_head *h)
{
    gs_received *seen = &h->received;
    if (h->rx_long) {
        seen->too_long++;
    } else if (h->rx_left > 0) {
        seen->bad_cobs++;
    } else if (h->rx_size < OVERHEAD) {
        seen->too_short++;
    } else if (h->rx_crc != CRC_RESIDUE) {
        seen->bad_crc++;
    } else if (h->rx[0] != PROTOCOL_VERSION) {
        seen->wrong_version++;
    } else if (h->rx[1] != COMMAND) {
        seen->unknown++;
    } else if (h->rx_size < OVERHEAD + 12 + h->rx[7]) {
        seen->senseless++;
    } else {
        seen->commands++;
        h->answering = true;
        h->step = 0;
        h->result = DONE;
        h->reason = NULL;
        obey(h);
        answer(h);
    }
}

size_t gs_receive(gs_head *h, const uint8_t *bytes, size_t n)
{
    answer(h);
    size_t used = 0;
    while (used < n && !h->answering) {
        uint8_t byte = bytes[used++];
        if (byte != 0) {
            take_stuffed(h, byte);
        } else {
            if (h->rx_begun) {
                judge_frame(h);
            }
            begin_receiving(h);
        }
    }
    return used;
}

/* ---- the head ------------------------------------------------------------------------------ */

void gs_service(gs_head *h, uint32_t tick)
{
    h->tick = tick;
    answer(h);
    (void)send_waiting(h, h->state != GS_STREAMING);
    if (h->state != GS_IDLE && tick - h->status_tick >= h->status_ticks) {
        (void)send_status(h);
    }
}

size_t gs_longest_frame(const gs_head *h)
{
    size_t most = REPLY_HEADER + LONGEST_TEXT;
    size_t n = device_size(h);
    most = n > most ? n : most;
    for (uint8_t i = 0; i < h->n_streams; i++) {
        n = stream_size(&h->streams[i]);
        most = n > most ? n : most;
        n = samples_size(&h->streams[i], &h->buffers[i], h->buffers[i].capacity);
        most = n > most ? n : most;
    }
    for (uint16_t i = 0; i < h->n_parameters; i++) {
        n = parameter_size(&h->parameters[i]);
        most = n > most ? n : most;
    }
    return frame_bound(most);
}

static bool is_name(const char *name, bool dash)
{
    size_t n = text_length(name);
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!good && !(dash && c == '-')) {
            return false;
        }
    }
    return n > 0;
}

static bool is_finite(double value)
{
    return value - value == 0.0;
}

static const char *wrong_stream(const gs_stream *s, const gs_buffer *b)
{
    bool iq = s->kind == GS_METAL_CW || s->kind == GS_RADAR_SFCW;
    size_t axis = s->kind == GS_METAL_PI ? s->values : iq ? s->values / 2u : 0u;
    if (!is_name(s->name, true)) {
        return "the name of a stream is letters, digits, '-' and '_'";
    }
    if (s->kind < GS_METAL_PI || s->kind > GS_RADAR_SFCW || s->sample_type < GS_INT16 || s->sample_type > GS_FLOAT32) {
        return "a stream has a kind or a sample type that the protocol does not know";
    }
    if (s->channels == 0 || s->values == 0 || !(s->rate > 0.0) || s->scale == 0.0) {
        return "a stream needs channels, values, a rate above 0 and a scale that is not 0";
    }
    if (!is_finite(s->rate) || !is_finite(s->scale) || !is_finite(s->offset) || !is_finite(s->sampling_interval)
        || !is_finite(s->centre_frequency) || !is_finite(s->step)) {
        return "a number of a stream is not finite";
    }
    if (s->kind == GS_RADAR && !(s->sampling_interval > 0.0)) {
        return "a radar stream needs its sampling interval";
    }
    if (s->kind == GS_RADAR_SFCW && s->values % 2u != 0u) {
        return "a stepped-frequency stream holds I and Q per frequency, an even number";
    }
    if (s->n_axis != axis) {
        return "a pulse-induction stream needs an axis entry for each value, one with I and Q for each two";
    }
    for (uint16_t i = 0; i < s->n_axis; i++) {
        if (!(s->axis[i] > 0.0) || !is_finite(s->axis[i])) {
            return "the axis of a stream must be above 0 and finite";
        }
    }
    if (b->ticks == NULL || b->raw == NULL || b->capacity == 0) {
        return "a stream has no buffer for its records";
    }
    if (samples_size(s, b, b->capacity) > LONGEST_BODY - OVERHEAD) {
        return "a buffer holds more than one frame can: make its capacity smaller";
    }
    return NULL;
}

static const char *wrong_parameter(const gs_parameter *p)
{
    if (!is_name(p->name, false)) {
        return "the name of a parameter is letters, digits and '_'";
    }
    if (p->kind > GS_SWITCH) {
        return "a parameter has a kind that the protocol does not know";
    }
    if (!in_range(p, p->initial) || !is_finite(p->low) || !is_finite(p->high)) {
        return "a parameter does not begin between its low and its high, or they are not finite";
    }
    if (p->kind != GS_NUMBER && (!is_whole(p->low) || !is_whole(p->high) || !is_whole(p->initial))) {
        return "a whole number or a switch has a fraction in its table entry";
    }
    if (p->kind == GS_SWITCH && (p->low < 0.0 || p->high > 1.0)) {
        return "a switch goes from 0 to 1";
    }
    return NULL;
}

const char *gs_init(gs_head *h)
{
    if (h->board == NULL || h->board->write == NULL || h->board->new_run == NULL) {
        return "the board needs write and new_run";
    }
    if (!(h->tick_hz > 0.0) || !is_finite(h->tick_hz)) {
        return "tick_hz must be above 0 and finite";
    }
    if (h->status_ticks == 0) {
        return "status_ticks is 0: STATUS is to go out about four times a second";
    }
    for (uint8_t i = 0; i < h->n_streams; i++) {
        const char *wrong = wrong_stream(&h->streams[i], &h->buffers[i]);
        if (wrong != NULL) {
            return wrong;
        }
        for (uint8_t k = 0; k < i; k++) {
            if (h->streams[k].id == h->streams[i].id || strcmp(h->streams[k].name, h->streams[i].name) == 0) {
                return "two streams have one id or one name";
            }
        }
        h->buffers[i].n = 0;
        h->buffers[i].made = 0;
    }
    for (uint16_t i = 0; i < h->n_parameters; i++) {
        const char *wrong = wrong_parameter(&h->parameters[i]);
        if (wrong != NULL) {
            return wrong;
        }
        for (uint16_t k = 0; k < i; k++) {
            if (strcmp(h->parameters[k].name, h->parameters[i].name) == 0) {
                return "two parameters have one name";
            }
        }
        h->values[i] = h->parameters[i].initial;
    }
    if (h->board->room != NULL && h->board->room(h->board->context) < gs_longest_frame(h)) {
        return "the line's buffer is smaller than the longest frame: see gs_longest_frame";
    }
    h->state = GS_IDLE;
    h->answering = false;
    h->hashing = false;
    begin_receiving(h);
    return NULL;
}
