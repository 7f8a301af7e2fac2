/* The linear model: the weights of all ids of a text, added up. */
#include "embbert_math.h"
#include "embbert_ops.h"

void embbert_bag_rows(const embbert_bag *op, const uint16_t *ids, uint32_t count, int32_t *out)
{
    const uint32_t outputs = op->outputs;
    /* 2^31 / (256 * root of count), rounded down: below 2^23. */
    const int32_t inverse = count == 0u ? 0 : INT32_MAX / (int32_t)embbert_isqrt(count << 16);
    uint32_t i, c;

    for (c = 0; c < outputs; c++) {
        out[c] = 0;
    }
    for (i = 0; i < count; i++) {
        const int8_t *weight = op->weight + (size_t)ids[i] * outputs;
        for (c = 0; c < outputs; c++) {
            out[c] += weight[c];
        }
    }
    for (c = 0; c < outputs; c++) {
        const int32_t share = (int32_t)embbert_round_shift((int64_t)out[c] * inverse, 8);
        out[c] = embbert_clamp32(embbert_requantize(share, op->multiplier[c], op->shift) + op->bias[c]);
    }
}
