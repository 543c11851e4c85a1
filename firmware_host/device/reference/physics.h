/* A simulated sensor: pulse-induction gates and radar A-scans over buried targets along a track. */
#ifndef PHYSICS_H
#define PHYSICS_H

#include <stdbool.h>
#include <stdint.h>

enum { GATES = 8, SCAN = 256 };

#define PULSE_S 250e-6 /* of the transmitter */
#define GATE_AXIS 15.0e-6, 23.977e-6, 38.328e-6, 61.266e-6, 97.933e-6, 156.545e-6, 250.236e-6, 400.0e-6 /* s */
#define SCAN_INTERVAL 39.0625e-12                                                                        /* s */
#define SCAN_CENTRE 1.5e9                                                                                /* Hz */

typedef struct scene {
    float spacing_m; /* between targets */
    float depth_m;
    float noise;      /* counts, peak */
    float tx_current; /* A */
    bool saturated;   /* the input amplifier is driven far out of its range */
} scene;

void physics_start(uint32_t seed);

/* At x metres along the track. Returns whether the converter stood at an end of its range. */
bool physics_gates(const scene *s, float x_m, int32_t gates[GATES]);
bool physics_scan(const scene *s, float x_m, int16_t scan[SCAN]);

#endif
