/* Runs exported filters over samples. See proof.h. */
#include "groundsweep_filters.h"
#include "proof.h"

enum { MAX_LINES = 256, MAX_SECTIONS = 12, MAX_ROOM = 8192 };

extern const gsf_tuned *const exported_streams[];
extern const unsigned exported_count;

static union {
    int32_t q31[MAX_LINES][4 * MAX_SECTIONS];
    int16_t q15[MAX_LINES][4 * MAX_SECTIONS];
    float f32[MAX_LINES][2 * MAX_SECTIONS];
} state;

static union {
    int32_t q31[MAX_ROOM];
    int16_t q15[MAX_ROOM];
    float f32[MAX_ROOM];
} room;

static void rows(const gsf_tuned *t, uint32_t word, const int32_t *counts, int32_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < t->lines; c++) {
            size_t at = i * t->lines + c;
            if (word == 31) {
                int32_t x = gsf_word_q31(t->input, t->q31, counts[at]);
                if (i == 0) {
                    gsf_prime_q31(t->q31, state.q31[c], x);
                }
                gsf_run_q31(t->q31, state.q31[c], &x, 1);
                out[at] = x;
            } else if (word == 15) {
                int16_t x = gsf_word_q15(t->input, t->q15, counts[at]);
                if (i == 0) {
                    gsf_prime_q15(t->q15, state.q15[c], x);
                }
                gsf_run_q15(t->q15, state.q15[c], &x, 1);
                out[at] = x;
            } else {
                float x = (float)(counts[at] - t->input->middle);
                if (i == 0) {
                    gsf_prime_f32(t->f32, state.f32[c], x);
                }
                gsf_run_f32(t->f32, state.f32[c], &x, 1);
                ((float *)out)[at] = x;
            }
        }
    }
}

static void ascans(const gsf_tuned *t, uint32_t word, const int32_t *counts, int32_t *out, size_t n)
{
    static float samples[MAX_ROOM];
    size_t m = t->ascan->samples;
    for (size_t i = 0; i < n; i++, counts += m, out += m) {
        if (word == 31) {
            gsf_ascan_q31(t->ascan, t->q31, state.q31[0], counts, room.q31);
            for (size_t k = 0; k < m; k++) {
                out[k] = room.q31[k + (t->q31->sections ? t->ascan->pad : 0)];
            }
        } else if (word == 15) {
            gsf_ascan_q15(t->ascan, t->q15, state.q15[0], counts, room.q15);
            for (size_t k = 0; k < m; k++) {
                out[k] = room.q15[k + (t->q15->sections ? t->ascan->pad : 0)];
            }
        } else {
            for (size_t k = 0; k < m; k++) {
                samples[k] = (float)(counts[k] - t->input->middle);
            }
            gsf_ascan_f32(t->ascan, t->f32, state.f32[0], samples, room.f32);
            for (size_t k = 0; k < m; k++) {
                ((float *)out)[k] = room.f32[k + (t->f32->sections ? t->ascan->pad : 0)];
            }
        }
    }
}

uint32_t proof_work(void)
{
    if (JOB->stream >= exported_count) {
        return 2;
    }
    const gsf_tuned *t = exported_streams[JOB->stream];
    const int32_t *counts = (const int32_t *)((uintptr_t)JOB + JOB->samples_at);
    int32_t *out = (int32_t *)((uintptr_t)JOB + JOB->results_at);
    const void *f = JOB->word == 31 ? (const void *)t->q31 : JOB->word == 15 ? (const void *)t->q15 : (const void *)t->f32;
    if (f == NULL || t->lines > MAX_LINES || (t->ascan && t->ascan->samples + 2u * t->ascan->pad > MAX_ROOM)) {
        return 2;
    }
    uint32_t before = proof_clock();
    if (t->ascan) {
        ascans(t, JOB->word, counts, out, JOB->records);
    } else {
        rows(t, JOB->word, counts, out, JOB->records);
    }
    JOB->ticks = before - proof_clock();
    return 1;
}
