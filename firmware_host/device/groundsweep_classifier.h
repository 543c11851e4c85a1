/* groundsweep_classifier: the host's classifier on a microcontroller. C99, no malloc; logf, expf and sqrtf of libm.
 *
 * The numbers come from "groundsweep firmware export", which writes groundsweep_model.h and .c beside this file. The
 * trees' votes are whole numbers and equal to the host's for the same float features; what is made of them is in
 * float. It ranks; it silences nothing: what it does not know is unknown, and unknown is dug.
 */
#ifndef GROUNDSWEEP_CLASSIFIER_H
#define GROUNDSWEEP_CLASSIFIER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GSC_CLASSES = 3, GSC_MINE_LIKE = 0, GSC_UNKNOWN = -1, GSC_LEVELS = 4 };
enum { GSC_RADAR = 0, GSC_METAL = 1, GSC_SENSORS = 2 };
typedef enum gsc_look { GSC_DID_NOT_LOOK, GSC_LOOKED, GSC_ALARMED } gsc_look;

/* Trees in pre-order: the left child, feature <= threshold, is the next node; feature -1 is a leaf, whose `right` is
 * its row of `votes`. */
typedef struct gsc_forest {
    uint16_t trees;
    uint16_t vote_unit; /* a certain leaf's votes */
    const uint16_t *roots;
    const int16_t *feature;
    const float *threshold;
    const uint16_t *right;
    const uint16_t *votes; /* GSC_CLASSES a leaf */
} gsc_forest;

typedef struct gsc_sensor {
    uint16_t features;          /* how many are this sensor's; 0: nothing is known of it */
    const uint16_t *columns;    /* which of the model's */
    const float *fill;          /* what an unseen one counts as */
    const float *centre, *scale;
    const float *class_centres; /* GSC_CLASSES rows */
    const float *covariance;    /* lower triangle, row by row */
    float novelty_limit;
    float weight;
    float silent[GSC_CLASSES]; /* log likelihood of looking and not alarming */
    gsc_forest forest;
} gsc_sensor;

typedef struct gsc_model {
    uint16_t features; /* of an alarm */
    float log_prior[GSC_CLASSES];
    float least_probability; /* of a forest */
    float mine_like;         /* probability of a mine from which it is called mine-like */
    float clutter_limit;     /* and under which it may be called clutter */
    float least_share;       /* of an alarming sensor's features that must have been seen */
    float level_bounds[GSC_LEVELS - 1];
    gsc_sensor sensors[GSC_SENSORS];
} gsc_model;

typedef struct gsc_verdict {
    int8_t decision; /* a class, or GSC_UNKNOWN */
    uint8_t level;   /* 0 to GSC_LEVELS - 1; none is safe */
    float probability[GSC_CLASSES];
    float novelty;                               /* above 1: like nothing known */
    float llr[GSC_SENSORS];                      /* ln of mine against clutter; NaN where a sensor did not look */
    uint32_t votes[GSC_SENSORS][GSC_CLASSES];    /* of trees * vote_unit; 0 where a sensor did not alarm */
} gsc_verdict;

/* Judge an alarm. features : as the model's table names them, NaN where not seen; looks : of radar and metal detector;
 * room : gsc_room(m) floats. */
void gsc_judge(const gsc_model *m, const float *features, const gsc_look looks[GSC_SENSORS], float *room, gsc_verdict *v);
uint32_t gsc_room(const gsc_model *m);

#ifdef __cplusplus
}
#endif

#endif
