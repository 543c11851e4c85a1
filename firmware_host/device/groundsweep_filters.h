/* groundsweep_filters: tuned filters of the host's chain on a microcontroller. C99, no malloc, no library.
 *
 * The numbers come from "groundsweep firmware export", which writes groundsweep_tuned.h and .c beside this file, with
 * scaling chosen so that nothing can overflow and a bound on the error. Q31 and Q15 are bit-equal to CMSIS-DSP's
 * arm_biquad_cascade_df1_q31 and _q15, float is arm_biquad_cascade_df2T_f32; coefficients and states are laid out
 * alike, so where CMSIS-DSP is at hand its functions can take the same tables in place of gsf_run_*.
 */
#ifndef GROUNDSWEEP_FILTERS_H
#define GROUNDSWEEP_FILTERS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A cascade of biquads. Per section: Q31 and float b0 b1 b2 a1 a2, Q15 b0 0 b1 b2 a1 a2; the signs of a are turned:
 * y = b0 x + b1 x1 + b2 x2 + a1 y1 + a2 y2. */
typedef struct gsf_cascade_q31 {
    uint8_t sections;
    int8_t post_shift;           /* coefficients are Q(31 - post_shift) */
    int8_t shift;                /* a count of the converter goes in as 2^shift in Q31 */
    const int32_t *coefficients; /* 5 per section */
    const int32_t *rest;         /* per section: gain at rest from the cascade's input, Q31 */
} gsf_cascade_q31;

typedef struct gsf_cascade_q15 {
    uint8_t sections;
    int8_t post_shift;           /* coefficients are Q(15 - post_shift) */
    int8_t shift;                /* a count of the converter goes in as 2^shift in Q31, of which Q15 is the upper half */
    const int16_t *coefficients; /* 6 per section */
    const int32_t *rest;         /* Q31 */
} gsf_cascade_q15;

typedef struct gsf_cascade_f32 {
    uint8_t sections;
    const float *coefficients; /* 5 per section */
    const float *start;        /* 2 per section: state of a constant input of 1 */
} gsf_cascade_f32;

/* State of a cascade: 4 words per section, 2 floats per section. Prime it with the first sample: the filter then
 * starts as if that had stood for ever, and an offset makes no swing. */
void gsf_prime_q31(const gsf_cascade_q31 *f, int32_t *state, int32_t first);
void gsf_prime_q15(const gsf_cascade_q15 *f, int16_t *state, int16_t first);
void gsf_prime_f32(const gsf_cascade_f32 *f, float *state, float first);

/* Filter n samples in place. */
void gsf_run_q31(const gsf_cascade_q31 *f, int32_t *state, int32_t *x, size_t n);
void gsf_run_q15(const gsf_cascade_q15 *f, int16_t *state, int16_t *x, size_t n);
void gsf_run_f32(const gsf_cascade_f32 *f, float *state, float *x, size_t n);

/* What counts of the converter are before they become words. */
typedef struct gsf_input {
    int32_t middle; /* taken off: 32768 where samples are unsigned */
    int32_t limit;  /* counts beyond +-limit are cut to it */
} gsf_input;

int32_t gsf_word_q31(const gsf_input *in, const gsf_cascade_q31 *f, int32_t count);
int16_t gsf_word_q15(const gsf_input *in, const gsf_cascade_q15 *f, int32_t count);

/* What happens within one A-scan before the cascade, which then runs over it forward and backward. */
typedef struct gsf_ascan {
    gsf_input input;
    uint16_t samples;
    uint16_t blank;             /* leading samples replaced by the first after them */
    uint16_t half;              /* running mean over +-half samples is taken off; 0 = none */
    uint16_t pad;               /* samples mirrored at either end */
    const int32_t *reciprocals; /* half + 1: 2^31 / c for windows of c = half + 1 ... 2 half + 1 samples */
} gsf_ascan;

/* Filter one A-scan of counts. room : samples + 2 * pad words; state : the cascade's; the result is room[pad] to
 * room[pad + samples - 1]. */
void gsf_ascan_q31(const gsf_ascan *a, const gsf_cascade_q31 *f, int32_t *state, const int32_t *counts, int32_t *room);
void gsf_ascan_q15(const gsf_ascan *a, const gsf_cascade_q15 *f, int16_t *state, const int32_t *counts, int16_t *room);
void gsf_ascan_f32(const gsf_ascan *a, const gsf_cascade_f32 *f, float *state, const float *samples, float *room);

/* One exported stream. What was not exported is null. */
typedef struct gsf_tuned {
    const char *stream;
    uint16_t lines;         /* values or antennas of a record, each with a state of its own */
    const gsf_ascan *ascan; /* radar: run gsf_ascan_*; null: run gsf_run_* on gsf_word_* of every reading */
    const gsf_input *input;
    const gsf_cascade_q31 *q31;
    const gsf_cascade_q15 *q15;
    const gsf_cascade_f32 *f32;
} gsf_tuned;

#ifdef __cplusplus
}
#endif

#endif
