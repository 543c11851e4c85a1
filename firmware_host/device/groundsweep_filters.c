/* groundsweep_filters: see groundsweep_filters.h. */
#include "groundsweep_filters.h"

/* Right shifts of negative numbers are arithmetic on every compiler for these processors, as CMSIS-DSP expects too. */

void gsf_prime_q31(const gsf_cascade_q31 *f, int32_t *state, int32_t first)
{
    int32_t x = first;
    for (uint8_t s = 0; s < f->sections; s++) {
        int32_t y = (int32_t)(((int64_t)first * f->rest[s]) >> 31);
        state[4 * s] = state[4 * s + 1] = x;
        state[4 * s + 2] = state[4 * s + 3] = y;
        x = y;
    }
}

void gsf_prime_q15(const gsf_cascade_q15 *f, int16_t *state, int16_t first)
{
    int16_t x = first;
    for (uint8_t s = 0; s < f->sections; s++) {
        int16_t y = (int16_t)(((int64_t)first * f->rest[s]) >> 31);
        state[4 * s] = state[4 * s + 1] = x;
        state[4 * s + 2] = state[4 * s + 3] = y;
        x = y;
    }
}

void gsf_prime_f32(const gsf_cascade_f32 *f, float *state, float first)
{
    for (uint8_t s = 0; s < 2 * f->sections; s++) {
        state[s] = f->start[s] * first;
    }
}

void gsf_run_q31(const gsf_cascade_q31 *f, int32_t *state, int32_t *x, size_t n)
{
    const int32_t *c = f->coefficients;
    int32_t *z = state;
    int shift = 31 - f->post_shift;
    for (uint8_t s = 0; s < f->sections; s++, c += 5, z += 4) {
        int32_t b0 = c[0], b1 = c[1], b2 = c[2], a1 = c[3], a2 = c[4];
        int32_t x1 = z[0], x2 = z[1], y1 = z[2], y2 = z[3];
        for (size_t i = 0; i < n; i++) {
            int32_t x0 = x[i];
            int64_t sum = (int64_t)b0 * x0 + (int64_t)b1 * x1 + (int64_t)b2 * x2 + (int64_t)a1 * y1 + (int64_t)a2 * y2;
            x2 = x1;
            x1 = x0;
            y2 = y1;
            y1 = (int32_t)(sum >> shift);
            x[i] = y1;
        }
        z[0] = x1;
        z[1] = x2;
        z[2] = y1;
        z[3] = y2;
    }
}

void gsf_run_q15(const gsf_cascade_q15 *f, int16_t *state, int16_t *x, size_t n)
{
    const int16_t *c = f->coefficients;
    int16_t *z = state;
    int shift = 15 - f->post_shift;
    for (uint8_t s = 0; s < f->sections; s++, c += 6, z += 4) {
        int32_t b0 = c[0], b1 = c[2], b2 = c[3], a1 = c[4], a2 = c[5];
        int16_t x1 = z[0], x2 = z[1], y1 = z[2], y2 = z[3];
        for (size_t i = 0; i < n; i++) {
            int16_t x0 = x[i];
            int64_t sum = (int64_t)(b0 * x0) + b1 * x1 + b2 * x2 + a1 * y1 + a2 * y2;
            sum >>= shift;
            sum = sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum;
            x2 = x1;
            x1 = x0;
            y2 = y1;
            y1 = (int16_t)sum;
            x[i] = y1;
        }
        z[0] = x1;
        z[1] = x2;
        z[2] = y1;
        z[3] = y2;
    }
}

void gsf_run_f32(const gsf_cascade_f32 *f, float *state, float *x, size_t n)
{
    const float *c = f->coefficients;
    float *z = state;
    for (uint8_t s = 0; s < f->sections; s++, c += 5, z += 2) {
        float b0 = c[0], b1 = c[1], b2 = c[2], a1 = c[3], a2 = c[4];
        float z0 = z[0], z1 = z[1];
        for (size_t i = 0; i < n; i++) {
            float u = x[i];
            float v = b0 * u + z0;
            z0 = b1 * u + a1 * v + z1;
            z1 = b2 * u + a2 * v;
            x[i] = v;
        }
        z[0] = z0;
        z[1] = z1;
    }
}

static int32_t within(const gsf_input *in, int32_t count)
{
    int64_t v = (int64_t)count - in->middle;
    return v > in->limit ? in->limit : v < -in->limit ? -in->limit : (int32_t)v;
}

static int64_t shifted(int64_t v, int shift)
{
    return shift >= 0 ? v * ((int64_t)1 << shift) : v >> -shift;
}

int32_t gsf_word_q31(const gsf_input *in, const gsf_cascade_q31 *f, int32_t count)
{
    return (int32_t)shifted(within(in, count), f->shift);
}

int16_t gsf_word_q15(const gsf_input *in, const gsf_cascade_q15 *f, int32_t count)
{
    return (int16_t)((shifted(within(in, count), f->shift) + 0x8000) >> 16);
}

/* The running sum of an A-scan's window, and its samples as they come out of blanking. */
typedef struct window {
    const gsf_ascan *a;
    const int32_t *counts;
    int shift;
    int64_t total;
} window;

static int32_t at(const window *w, size_t k)
{
    return within(&w->a->input, w->counts[k < w->a->blank ? w->a->blank : k]);
}

/* Sample k less its running mean, in Q31. Called for k = 0, 1, 2, ... */
static int32_t dewowed(window *w, size_t k)
{
    size_t m = w->a->samples, half = w->a->half;
    int shift = w->shift;
    int64_t mean = 0;
    if (half > 0) {
        if (k == 0) {
            w->total = 0;
            for (size_t j = 0; j < half; j++) {
                w->total += at(w, j);
            }
        }
        if (k + half < m) {
            w->total += at(w, k + half);
        }
        if (k > half) {
            w->total -= at(w, k - half - 1);
        }
        size_t first = k > half ? k - half : 0;
        size_t last = k + half + 1 < m ? k + half + 1 : m;
        int64_t product = w->total * w->a->reciprocals[last - first - half - 1];
        mean = shift >= 0 ? product >> (31 - shift) : product >> 31 >> -shift;
    }
    return (int32_t)(shifted(at(w, k), shift) - mean);
}

void gsf_ascan_q31(const gsf_ascan *a, const gsf_cascade_q31 *f, int32_t *state, const int32_t *counts, int32_t *room)
{
    size_t m = a->samples, pad = f->sections > 0 ? a->pad : 0, n = m + 2 * pad;
    window w = {a, counts, f->shift, 0};
    for (size_t k = 0; k < m; k++) {
        room[pad + k] = dewowed(&w, k);
    }
    if (f->sections == 0) {
        return;
    }
    for (size_t k = 0; k < pad; k++) {
        room[k] = (int32_t)(2 * (int64_t)room[pad] - room[2 * pad - k]);
        room[pad + m + k] = (int32_t)(2 * (int64_t)room[pad + m - 1] - room[pad + m - 2 - k]);
    }
    for (int pass = 0; pass < 2; pass++) {
        gsf_prime_q31(f, state, room[0]);
        gsf_run_q31(f, state, room, n);
        for (size_t i = 0, j = n - 1; i < j; i++, j--) {
            int32_t t = room[i];
            room[i] = room[j];
            room[j] = t;
        }
    }
}

void gsf_ascan_q15(const gsf_ascan *a, const gsf_cascade_q15 *f, int16_t *state, const int32_t *counts, int16_t *room)
{
    size_t m = a->samples, pad = f->sections > 0 ? a->pad : 0, n = m + 2 * pad;
    window w = {a, counts, f->shift, 0};
    for (size_t k = 0; k < m; k++) {
        room[pad + k] = (int16_t)(((int64_t)dewowed(&w, k) + 0x8000) >> 16);
    }
    if (f->sections == 0) {
        return;
    }
    for (size_t k = 0; k < pad; k++) {
        room[k] = (int16_t)(2 * room[pad] - room[2 * pad - k]);
        room[pad + m + k] = (int16_t)(2 * room[pad + m - 1] - room[pad + m - 2 - k]);
    }
    for (int pass = 0; pass < 2; pass++) {
        gsf_prime_q15(f, state, room[0]);
        gsf_run_q15(f, state, room, n);
        for (size_t i = 0, j = n - 1; i < j; i++, j--) {
            int16_t t = room[i];
            room[i] = room[j];
            room[j] = t;
        }
    }
}

void gsf_ascan_f32(const gsf_ascan *a, const gsf_cascade_f32 *f, float *state, const float *samples, float *room)
{
    size_t m = a->samples, half = a->half, pad = f->sections > 0 ? a->pad : 0, n = m + 2 * pad;
    float total = 0.0f;
#define SAMPLE(k) samples[(k) < a->blank ? a->blank : (k)]
    for (size_t k = 0; k < (half < m ? half : m); k++) {
        total += SAMPLE(k);
    }
    for (size_t k = 0; k < m; k++) {
        float mean = 0.0f;
        if (half > 0) {
            if (k + half < m) {
                total += SAMPLE(k + half);
            }
            if (k > half) {
                total -= SAMPLE(k - half - 1);
            }
            size_t first = k > half ? k - half : 0;
            size_t last = k + half + 1 < m ? k + half + 1 : m;
            mean = total / (float)(last - first);
        }
        room[pad + k] = SAMPLE(k) - mean;
    }
#undef SAMPLE
    if (f->sections == 0) {
        return;
    }
    for (size_t k = 0; k < pad; k++) {
        room[k] = room[pad] + room[pad] - room[2 * pad - k];
        room[pad + m + k] = room[pad + m - 1] + room[pad + m - 1] - room[pad + m - 2 - k];
    }
    for (int pass = 0; pass < 2; pass++) {
        gsf_prime_f32(f, state, room[0]);
        gsf_run_f32(f, state, room, n);
        for (size_t i = 0, j = n - 1; i < j; i++, j--) {
            float t = room[i];
            room[i] = room[j];
            room[j] = t;
        }
    }
}
