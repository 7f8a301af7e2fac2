/* What becomes of a value by itself: another scale, an entry of a table. */
#include "embbert_math.h"
#include "embbert_ops.h"

void embbert_rescale_rows(const embbert_rescale *op, const void *source, uint32_t rows, void *out)
{
    const size_t count = (size_t)rows * op->cols;
    size_t i;

    for (i = 0; i < count; i++) {
        const int32_t value = op->source == EMBBERT_INT8 ? ((const int8_t *)source)[i] : ((const int16_t *)source)[i];
        const int64_t scaled = embbert_requantize(value, op->multiplier, op->shift);
        if (op->target == EMBBERT_INT8) {
            ((int8_t *)out)[i] = embbert_clamp8(scaled);
        } else {
            int16_t *place = (int16_t *)out + i;
            *place = embbert_clamp16(op->target == EMBBERT_INT16_ADD ? scaled + *place : scaled);
        }
    }
}

void embbert_look_up_rows(const embbert_look_up *op, const int8_t *source, uint32_t rows, int8_t *out)
{
    const size_t count = (size_t)rows * op->cols;
    const int8_t *table = op->table + 128;
    size_t i;

    for (i = 0; i < count; i++) {
        out[i] = table[source[i]];
    }
}
