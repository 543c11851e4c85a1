/* Heads whose sample frames are timed: a metal stream of 10 records of 8 int32, a radar A-scan of 256 int16,
 * and frames of 4 kB; what they hold is like samples, some bytes of them zero. */
#ifndef FRAMES_H
#define FRAMES_H

#include "groundsweep_device.h"

enum { FRAMES_METAL, FRAMES_RADAR, FRAMES_LONG, FRAMES };

/* Records to commit for one frame of this stream. */
uint16_t frames_records(int which);

/* Begin streaming to this board. */
void frames_start(gs_head *head, const gs_board *board);

/* Make one frame. */
void frames_make(gs_head *head, int which);

#endif
