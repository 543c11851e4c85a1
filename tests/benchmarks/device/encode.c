/* Time of making frames of 4 kB, against copying as many bytes: a line of "bytes frame_ns copy_ns" a round,
 * the two in turn. */
#define _POSIX_C_SOURCE 199309L
#include "frames.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 31, REPEATS = 2000 };

static uint8_t line[8192], source[8192];
static size_t at;

static void copy(void *context, const uint8_t *bytes, size_t n)
{
    (void)context;
    at = at + n > sizeof line ? 0 : at;
    memcpy(line + at, bytes, n);
    at += n;
}

static uint32_t new_run(void *context)
{
    (void)context;
    return 1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(void)
{
    static gs_head head;
    static const gs_board board = {.write = copy, .new_run = new_run};
    frames_start(&head, &board);
    frames_make(&head, FRAMES_LONG);
    at = 0;
    frames_make(&head, FRAMES_LONG);
    size_t n = at;
    for (int round = 0; round < ROUNDS; round++) {
        double a = now();
        for (int i = 0; i < REPEATS; i++) {
            frames_make(&head, FRAMES_LONG);
        }
        double b = now();
        for (int i = 0; i < REPEATS; i++) {
            source[(size_t)i % sizeof source]++;
            memcpy(line, source, n);
            __asm__ volatile("" ::"r"(line) : "memory");
        }
        double c = now();
        printf("%zu %.1f %.1f\n", n, (b - a) / REPEATS, (c - b) / REPEATS);
    }
    return 0;
}
