#include "physics.h"

#include <math.h>

#define COIL_RADIUS_M 0.10f
#define HEIGHT_M 0.05f          /* of the head over the ground */
#define TARGET_TAU_S 100e-6f    /* decay of a small aluminium or brass part */
#define TARGET_COUNTS 400000.0f /* at 1 A and no distance */
#define GROUND_COUNTS 3000.0f   /* first gate, at 1 A; magnetic soil after a pulse of length T falls as 1/t - 1/(t+T) */
#define ADC_TOP 8388607.0f      /* 24 bits */
#define AIR_M_PER_S 2.998e8f
#define SOIL_M_PER_S 1.224e8f /* relative permittivity 6 */
#define FINE 4                /* steps of the wavelet table in a sample */
#define WAVELET 256           /* entries, centre in the middle: +-32 samples */

static const double gate_s[GATES] = {GATE_AXIS};
static float target_decay[GATES];
static float ground_decay[GATES];
static float wavelet[WAVELET];
static uint32_t noise_state;

void physics_start(uint32_t seed)
{
    noise_state = seed | 1u;
    for (int i = 0; i < GATES; i++) {
        target_decay[i] = expf(-(float)gate_s[i] / TARGET_TAU_S);
        ground_decay[i] = (float)((1.0 / gate_s[i] - 1.0 / (gate_s[i] + PULSE_S)) /
                                  (1.0 / gate_s[0] - 1.0 / (gate_s[0] + PULSE_S)));
    }
    for (int i = 0; i < WAVELET; i++) { /* Ricker */
        float t = (float)(i - WAVELET / 2) * (float)SCAN_INTERVAL / FINE;
        float a = 3.14159265f * (float)SCAN_CENTRE * t;
        wavelet[i] = (1.0f - 2.0f * a * a) * expf(-a * a);
    }
}

/* Marsaglia's xorshift; the sum of two is triangular in -1 to 1 */
static float noise(void)
{
    float sum = 0.0f;
    for (int i = 0; i < 2; i++) {
        noise_state ^= noise_state << 13;
        noise_state ^= noise_state >> 17;
        noise_state ^= noise_state << 5;
        sum += (float)(noise_state >> 8) * (1.0f / 16777216.0f) - 0.5f;
    }
    return sum;
}

/* distance along the track to the nearest target; they lie in the middle of each spacing */
static float from_target(const scene *s, float x_m)
{
    return fmodf(x_m, s->spacing_m) - 0.5f * s->spacing_m;
}

bool physics_gates(const scene *s, float x_m, int32_t gates[GATES])
{
    float u = from_target(s, x_m);
    float h = s->depth_m + HEIGHT_M;
    /* field of a coil on its axis falls as (a^2 / (a^2 + r^2))^(3/2), there and back */
    float fall = COIL_RADIUS_M * COIL_RADIUS_M / (COIL_RADIUS_M * COIL_RADIUS_M + h * h + u * u);
    float target = TARGET_COUNTS * fall * fall * fall;
    float gain = s->tx_current * (s->saturated ? 1e6f : 1.0f);
    bool clipped = false;
    for (int i = 0; i < GATES; i++) {
        float v = gain * (target * target_decay[i] + GROUND_COUNTS * ground_decay[i]) + s->noise * noise();
        if (v > ADC_TOP || v < -ADC_TOP) {
            v = v > 0.0f ? ADC_TOP : -ADC_TOP;
            clipped = true;
        }
        gates[i] = (int32_t)v;
    }
    return clipped;
}

static void echo(float scan[SCAN], float delay_s, float counts)
{
    float at = delay_s * (1.0f / (float)SCAN_INTERVAL);
    int first = (int)at - WAVELET / 2 / FINE + 1;
    int last = (int)at + WAVELET / 2 / FINE - 1;
    for (int i = first < 0 ? 0 : first; i <= last && i < SCAN; i++) {
        int k = (int)(((float)i - at) * FINE) + WAVELET / 2;
        if (k >= 0 && k < WAVELET) {
            scan[i] += counts * wavelet[k];
        }
    }
}

bool physics_scan(const scene *s, float x_m, int16_t scan[SCAN])
{
    float sum[SCAN] = {0};
    float u = from_target(s, x_m);
    float r = sqrtf(s->depth_m * s->depth_m + u * u);
    float surface = 1.0e-9f + 2.0f * HEIGHT_M / AIR_M_PER_S;
    echo(sum, 1.0e-9f, 9000.0f);
    echo(sum, surface, -6000.0f);
    echo(sum, surface + 2.0f * r / SOIL_M_PER_S, 3000.0f * s->depth_m / (s->depth_m + r * r / s->depth_m));
    float gain = s->saturated ? 1e6f : 1.0f;
    bool clipped = false;
    for (int i = 0; i < SCAN; i++) {
        float v = gain * sum[i] + s->noise * noise();
        if (v > 32767.0f || v < -32768.0f) {
            v = v > 0.0f ? 32767.0f : -32768.0f;
            clipped = true;
        }
        scan[i] = (int16_t)v;
    }
    return clipped;
}
