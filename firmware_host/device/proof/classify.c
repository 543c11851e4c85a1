/* Judges alarms that the host laid into the RAM of an Arm MPS2 board, and leaves the verdicts there. See proof.h. */
#include "groundsweep_model.h"
#include "proof.h"

uint32_t proof_work(void)
{
    static float room[GSC_ROOM + 1];
    const float *at = (const float *)((uintptr_t)JOB + JOB->samples_at);
    uint32_t *out = (uint32_t *)((uintptr_t)JOB + JOB->results_at);
    if (gsc_room(&groundsweep_model) > GSC_ROOM) {
        return 2;
    }
    uint32_t before = proof_clock();
    for (uint32_t i = 0; i < JOB->records; i++, at += GSC_FEATURES + 2, out += 16) {
        gsc_look looks[GSC_SENSORS];
        for (int s = 0; s < GSC_SENSORS; s++) {
            float flag = at[GSC_FEATURES + s];
            looks[s] = flag != flag ? GSC_DID_NOT_LOOK : flag > 0.5f ? GSC_ALARMED : GSC_LOOKED;
        }
        gsc_verdict v;
        gsc_judge(&groundsweep_model, at, looks, room, &v);
        out[0] = (uint32_t)(int32_t)v.decision;
        out[1] = v.level;
        for (int s = 0; s < GSC_SENSORS; s++) {
            ((float *)out)[2 + s] = v.llr[s];
            for (int c = 0; c < GSC_CLASSES; c++) {
                out[8 + GSC_CLASSES * s + c] = v.votes[s][c];
            }
        }
        for (int c = 0; c < GSC_CLASSES; c++) {
            ((float *)out)[4 + c] = v.probability[c];
        }
        ((float *)out)[7] = v.novelty;
    }
    JOB->ticks = before - proof_clock();
    return 1;
}
