/* Matrix products. Four rows share each weight; a block of outputs is accumulated, then requantised at once. */
#include "embbert_kernels.h"
#include "embbert_math.h"
#include "embbert_ops.h"
#include "embbert_scaling.h"

static void store8(const embbert_scaling *by, const int32_t *restrict sums, uint32_t width, int8_t *restrict out)
{
    const embbert_scaling own = *by;
    uint32_t o;

    for (o = 0; o < width; o++) {
        out[o] = embbert_narrow8(embbert_scaled(&own, sums, o));
    }
}

static void store16(const embbert_scaling *by, const int32_t *restrict sums, uint32_t width, int16_t *restrict out)
{
    const embbert_scaling own = *by;
    uint32_t o;

    for (o = 0; o < width; o++) {
        out[o] = embbert_narrow16(embbert_scaled(&own, sums, o));
    }
}

static void add16(const embbert_scaling *by, const int32_t *restrict sums, uint32_t width, int16_t *restrict out)
{
    const embbert_scaling own = *by;
    uint32_t o;

    for (o = 0; o < width; o++) {
        out[o] = embbert_narrow16(embbert_scaled(&own, sums, o) + out[o]);
    }
}

/* Any shift and any target: for the few operators that the loops above are not for. */
static void store_any(const embbert_linear *op, const int32_t *sums, uint32_t first, uint32_t width, void *out)
{
    uint32_t o;

    for (o = 0; o < width; o++) {
        const int64_t value = embbert_requantize(sums[o * EMBBERT_STEP], op->multiplier[first + o], op->shift);
        switch (op->target) {
        case EMBBERT_INT8:
            ((int8_t *)out)[o] = embbert_clamp8(value);
            break;
        case EMBBERT_INT16:
            ((int16_t *)out)[o] = embbert_clamp16(value);
            break;
        case EMBBERT_INT16_ADD:
            ((int16_t *)out)[o] = embbert_clamp16(value + ((int16_t *)out)[o]);
            break;
        default:
            ((int32_t *)out)[o] = embbert_clamp32(value);
            break;
        }
    }
}

/* Outputs first .. first + width - 1 of one row. */
static void store_row(const embbert_linear *op, int32_t *sums, uint32_t row, uint32_t first, uint32_t width, void *out)
{
    const size_t at = (size_t)row * op->outputs + first;
    const uint32_t element = op->target == EMBBERT_INT8 ? 1u : op->target == EMBBERT_INT32 ? 4u : 2u;
    void *place = (int8_t *)out + at * element;

    if ((uint32_t)op->shift + op->lift >= EMBBERT_HIGH && op->target != EMBBERT_INT32) {
        const embbert_scaling by = embbert_scaling_of(op->multiplier + first, 1u, op->shift, op->lift);
        embbert_scale(&by, sums, width);
        if (op->target == EMBBERT_INT8) {
            store8(&by, sums, width, (int8_t *)place);
        } else if (op->target == EMBBERT_INT16) {
            store16(&by, sums, width, (int16_t *)place);
        } else {
            add16(&by, sums, width, (int16_t *)place);
        }
    } else {
        store_any(op, sums, first, width, place);
    }
}

/* One row of int16; the classifier's, so speed is of no account. */
static void wide_products(const embbert_linear *op, const int16_t *x, uint32_t first, uint32_t width, int32_t *sums)
{
    const int8_t *weight = op->weight + (size_t)first * op->inputs;
    uint32_t o, i;

    for (o = 0; o < width; o++) {
        int32_t sum = op->bias[first + o];
        for (i = 0; i < op->inputs; i++) {
            sum += (int32_t)weight[i] * x[i];
        }
        sums[o * EMBBERT_STEP] = sum;
        weight += op->inputs;
    }
}

void embbert_linear_rows(const embbert_linear *op, const void *source, uint32_t rows, void *out)
{
    int32_t sums[4u * EMBBERT_BLOCK];
    uint32_t first, row;

    for (first = 0; first < op->outputs; first += EMBBERT_BLOCK) {
        const uint32_t width = embbert_smaller(EMBBERT_BLOCK, op->outputs - first);
        if (op->source == EMBBERT_INT8) {
            embbert_products(op->weight + (size_t)first * op->inputs, op->bias + first, width,
                             (const int8_t *)source, rows, op->inputs, sums, EMBBERT_ROW, EMBBERT_STEP);
        } else {
            for (row = 0; row < rows; row++) {
                wide_products(op, (const int16_t *)source + (size_t)row * op->inputs, first, width,
                              embbert_row(sums, row));
            }
        }
        for (row = 0; row < rows; row++) {
            store_row(op, embbert_row(sums, row), row, first, width, out);
        }
    }
}
