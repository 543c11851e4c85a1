/* groundsweep_classifier: see groundsweep_classifier.h. */
#include "groundsweep_classifier.h"

#include <math.h>

static void votes_of(const gsc_forest *f, const float *x, uint32_t votes[GSC_CLASSES])
{
    for (int c = 0; c < GSC_CLASSES; c++) {
        votes[c] = 0;
    }
    for (uint16_t t = 0; t < f->trees; t++) {
        uint16_t node = f->roots[t];
        while (f->feature[node] >= 0) {
            node = x[f->feature[node]] <= f->threshold[node] ? (uint16_t)(node + 1) : f->right[node];
        }
        for (int c = 0; c < GSC_CLASSES; c++) {
            votes[c] += f->votes[GSC_CLASSES * f->right[node] + c];
        }
    }
}

/* Distance of the seen features from the nearest class, per root of their number and of the limit. */
static float novelty_of(const gsc_sensor *s, const float *own, float *room)
{
    uint16_t n = 0;
    float *z = room, *lower = room + 2 * s->features;
    uint16_t *index = (uint16_t *)(void *)(room + s->features);
    for (uint16_t i = 0; i < s->features; i++) {
        if (own[i] == own[i]) {
            z[n] = (own[i] - s->centre[i]) / s->scale[i];
            index[n++] = i;
        }
    }
    if (n == 0) {
        return INFINITY;
    }
    /* the covariance of those that were seen, factored once; its rows are packed as a lower triangle */
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            float v = s->covariance[(uint32_t)index[i] * (index[i] + 1u) / 2u + index[j]];
            for (uint32_t k = 0; k < j; k++) {
                v -= lower[i * (i + 1) / 2 + k] * lower[j * (j + 1) / 2 + k];
            }
            lower[i * (i + 1) / 2 + j] = i == j ? (v > 1e-12f ? sqrtf(v) : 1e-6f) : v / lower[j * (j + 1) / 2 + j];
        }
    }
    float nearest = INFINITY;
    float *y = lower + (uint32_t)n * (n + 1u) / 2u;
    for (uint32_t c = 0; c < GSC_CLASSES; c++) {
        const float *centre = s->class_centres + c * s->features;
        float total = 0.0f;
        for (uint32_t i = 0; i < n; i++) {
            float v = z[i] - centre[index[i]];
            for (uint32_t k = 0; k < i; k++) {
                v -= lower[i * (i + 1) / 2 + k] * y[k];
            }
            y[i] = v / lower[i * (i + 1) / 2 + i];
            total += y[i] * y[i];
        }
        float d = sqrtf(total / (float)n);
        nearest = d < nearest ? d : nearest;
    }
    return nearest / s->novelty_limit;
}

static float ratio_of(const float evidence[GSC_CLASSES], const float log_prior[GSC_CLASSES])
{
    float top = evidence[1], above = 0.0f, below = 0.0f;
    for (int c = 2; c < GSC_CLASSES; c++) {
        top = evidence[c] > top ? evidence[c] : top;
    }
    for (int c = 1; c < GSC_CLASSES; c++) {
        float p = expf(log_prior[c]);
        above += p * expf(evidence[c] - top);
        below += p;
    }
    return evidence[0] - top - logf(above / below);
}

static uint32_t room_of(const gsc_sensor *s)
{
    uint32_t n = s->features;
    /* own values, standardised ones, their numbers, the triangle, and what is solved for */
    return n + n + n + n * (n + 1) / 2 + n;
}

uint32_t gsc_room(const gsc_model *m)
{
    uint32_t radar = room_of(&m->sensors[GSC_RADAR]), metal = room_of(&m->sensors[GSC_METAL]);
    return radar > metal ? radar : metal;
}

void gsc_judge(const gsc_model *m, const float *features, const gsc_look looks[GSC_SENSORS], float *room, gsc_verdict *v)
{
    float scores[GSC_CLASSES];
    int enough = 1;
    v->novelty = 0.0f;
    for (int c = 0; c < GSC_CLASSES; c++) {
        scores[c] = m->log_prior[c];
    }
    for (int i = 0; i < GSC_SENSORS; i++) {
        const gsc_sensor *s = &m->sensors[i];
        float evidence[GSC_CLASSES];
        v->llr[i] = NAN;
        for (int c = 0; c < GSC_CLASSES; c++) {
            v->votes[i][c] = 0;
        }
        if (looks[i] == GSC_DID_NOT_LOOK) {
            continue;
        }
        if (looks[i] == GSC_LOOKED) {
            for (int c = 0; c < GSC_CLASSES; c++) {
                evidence[c] = s->silent[c];
            }
        } else if (s->features == 0) {
            v->novelty = INFINITY;
            enough = 0;
            continue;
        } else {
            float *own = room;
            uint16_t seen = 0;
            for (uint16_t k = 0; k < s->features; k++) {
                own[k] = features[s->columns[k]];
                seen = (uint16_t)(seen + (own[k] - own[k] == 0.0f)); /* finite */
                if (own[k] - own[k] != 0.0f) {
                    own[k] = NAN;
                }
            }
            float strange = novelty_of(s, own, room + s->features);
            v->novelty = strange > v->novelty ? strange : v->novelty;
            enough = enough && (float)seen >= m->least_share * (float)s->features;
            for (uint16_t k = 0; k < s->features; k++) {
                own[k] = own[k] == own[k] ? own[k] : s->fill[k];
            }
            votes_of(&s->forest, own, v->votes[i]);
            float all = (float)s->forest.trees * (float)s->forest.vote_unit;
            for (int c = 0; c < GSC_CLASSES; c++) {
                float p = (float)v->votes[i][c] / all;
                p = p > m->least_probability ? p : m->least_probability;
                evidence[c] = s->weight * (logf(p) - m->log_prior[c]);
            }
        }
        v->llr[i] = ratio_of(evidence, m->log_prior);
        for (int c = 0; c < GSC_CLASSES; c++) {
            scores[c] += evidence[c];
        }
    }
    float top = scores[0], total = 0.0f;
    int best = 0;
    for (int c = 1; c < GSC_CLASSES; c++) {
        if (scores[c] > top) {
            top = scores[c];
            best = c;
        }
    }
    for (int c = 0; c < GSC_CLASSES; c++) {
        v->probability[c] = expf(scores[c] - top);
        total += v->probability[c];
    }
    for (int c = 0; c < GSC_CLASSES; c++) {
        v->probability[c] /= total;
    }
    float mine = v->probability[GSC_MINE_LIKE];
    int sure = best == GSC_MINE_LIKE ? mine >= m->mine_like : mine < m->clutter_limit;
    int strange = !(v->novelty <= 1.0f) || !enough;
    v->decision = (int8_t)(strange || !sure ? GSC_UNKNOWN : best);
    /* unknown ranks as high as a mine */
    float danger = strange ? 1.0f : v->decision == GSC_UNKNOWN && mine < m->mine_like ? m->mine_like : mine;
    v->level = 0;
    for (int k = 0; k < GSC_LEVELS - 1; k++) {
        v->level = (uint8_t)(v->level + (danger >= m->level_bounds[k]));
    }
}
