/* On the emulated board with -icount shift=0, where an instruction takes 1 ns: prints how many a frame takes. */
#include "board.h"
#include "frames.h"

int main(void);

enum { REPEATS = 100, NS_PER_TICK = 40 };

static size_t sent;

static void count(void *context, const uint8_t *bytes, size_t n)
{
    (void)context;
    (void)bytes;
    sent += n;
}

static uint32_t new_run(void *context)
{
    (void)context;
    return 1;
}

static void say(uint32_t n, char after)
{
    char digits[10];
    int size = 0;
    do {
        digits[size++] = (char)('0' + n % 10u);
        n /= 10u;
    } while (n > 0);
    while (size > 0) {
        while (!board_send((uint8_t)digits[size - 1])) {
        }
        size--;
    }
    while (!board_send((uint8_t)after)) {
    }
}

void board_sample_due(void)
{
}

int main(void)
{
    static gs_head head;
    static const gs_board board = {.write = count, .new_run = new_run};
    board_start(1);
    frames_start(&head, &board);
    for (;;) {
        for (int which = 0; which < FRAMES; which++) {
            sent = 0;
            uint32_t began = board_ticks();
            for (int i = 0; i < REPEATS; i++) {
                frames_make(&head, which);
            }
            uint32_t took = board_ticks() - began;
            say((uint32_t)(sent / REPEATS), ' ');
            say((uint32_t)((uint64_t)took * NS_PER_TICK / REPEATS), which == FRAMES - 1 ? '\n' : ' ');
        }
    }
}
