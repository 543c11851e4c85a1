#include "kept.h"

#include <stddef.h>

static struct {
    uint32_t run;
    uint32_t n;
    double values[KEPT_VALUES];
    uint32_t check;
} kept __attribute__((section(".kept")));

/* Fowler, Noll and Vo's hash, FNV-1a */
static uint32_t check(void)
{
    uint32_t hash = 2166136261u;
    const uint8_t *bytes = (const uint8_t *)&kept;
    for (size_t i = 0; i < offsetof(__typeof__(kept), check); i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

void kept_begin(uint32_t noise)
{
    if (kept.check != check() || kept.n > KEPT_VALUES) {
        kept.run = noise;
        kept.n = 0;
        for (int i = 0; i < KEPT_VALUES; i++) {
            kept.values[i] = 0.0;
        }
        kept.check = check();
    }
}

uint32_t kept_next_run(void)
{
    kept.run++;
    kept.check = check();
    return kept.run;
}

bool kept_value(uint16_t index, double *value)
{
    if (index >= kept.n) {
        return false;
    }
    *value = kept.values[index];
    return true;
}

void kept_save(const double *values, uint16_t n)
{
    kept.n = n;
    for (uint16_t i = 0; i < n; i++) {
        kept.values[i] = values[i];
    }
    kept.check = check();
}
