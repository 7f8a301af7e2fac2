/* Matrix products. Four rows share each weight; a block of outputs is accumulated, then requantised at once. */
#include "embbert_dot.h"
#include "embbert_math.h"
#include "embbert_ops.h"

static int32_t dot16(const int8_t *restrict weight, const int16_t *restrict x, uint32_t count)
{
    int32_t sum = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        sum += (int32_t)weight[i] * x[i];
    }
    return sum;
}

static void store8(const int32_t *restrict sums, const int32_t *restrict multiplier, uint32_t shift, uint32_t width,
                   int8_t *restrict out)
{
    uint32_t o;

    for (o = 0; o < width; o++) {
        out[o] = embbert_clamp8(embbert_requantize(sums[o], multiplier[o], shift));
    }
}

static void store16(const int32_t *restrict sums, const int32_t *restrict multiplier, uint32_t shift, uint32_t width,
                    int16_t *restrict out)
{
    uint32_t o;

    for (o = 0; o < width; o++) {
        out[o] = embbert_clamp16(embbert_requantize(sums[o], multiplier[o], shift));
    }
}

static void add16(const int32_t *restrict sums, const int32_t *restrict multiplier, uint32_t shift, uint32_t width,
                  int16_t *restrict out)
{
    uint32_t o;

    for (o = 0; o < width; o++) {
        out[o] = embbert_clamp16(embbert_requantize(sums[o], multiplier[o], shift) + out[o]);
    }
}

static void store32(const int32_t *restrict sums, const int32_t *restrict multiplier, uint32_t shift, uint32_t width,
                    int32_t *restrict out)
{
    uint32_t o;

    for (o = 0; o < width; o++) {
        out[o] = embbert_clamp32(embbert_requantize(sums[o], multiplier[o], shift));
    }
}

/* Outputs first .. first + width - 1 of one row. */
static void store(const embbert_linear *op, const int32_t *sums, uint32_t row, uint32_t first, uint32_t width,
                  void *out)
{
    const size_t at = (size_t)row * op->outputs + first;
    const int32_t *multiplier = op->multiplier + first;

    switch (op->target) {
    case EMBBERT_INT8:
        store8(sums, multiplier, op->shift, width, (int8_t *)out + at);
        break;
    case EMBBERT_INT16:
        store16(sums, multiplier, op->shift, width, (int16_t *)out + at);
        break;
    case EMBBERT_INT16_ADD:
        add16(sums, multiplier, op->shift, width, (int16_t *)out + at);
        break;
    default:
        store32(sums, multiplier, op->shift, width, (int32_t *)out + at);
        break;
    }
}

static void four_rows(const embbert_linear *op, const int8_t *x, uint32_t first, uint32_t width,
                      const uint32_t excess[4], int32_t sums[4][EMBBERT_BLOCK])
{
    const int8_t *weight = op->weight + (size_t)first * op->inputs;
    int32_t products[4];
    uint32_t o, row;

    for (o = 0; o < width; o++) {
        const uint32_t bias = (uint32_t)op->bias[first + o];
        embbert_dot4(weight, x, op->inputs, products);
        for (row = 0; row < 4u; row++) {
            sums[row][o] = embbert_from_bits((uint32_t)products[row] + bias - excess[row]);
        }
        weight += op->inputs;
    }
}

static void one_row(const embbert_linear *op, const int8_t *x, uint32_t first, uint32_t width, uint32_t excess,
                    int32_t *sums)
{
    const int8_t *weight = op->weight + (size_t)first * op->inputs;
    uint32_t o;

    for (o = 0; o < width; o++) {
        const uint32_t product = (uint32_t)embbert_dot(weight, x, op->inputs);
        sums[o] = embbert_from_bits(product + (uint32_t)op->bias[first + o] - excess);
        weight += op->inputs;
    }
}

static void one_row16(const embbert_linear *op, const int16_t *x, uint32_t first, uint32_t width, int32_t *sums)
{
    const int8_t *weight = op->weight + (size_t)first * op->inputs;
    uint32_t o;

    for (o = 0; o < width; o++) {
        sums[o] = op->bias[first + o] + dot16(weight, x, op->inputs);
        weight += op->inputs;
    }
}

void embbert_linear_rows(const embbert_linear *op, const void *source, uint32_t rows, void *out)
{
    int32_t sums[4][EMBBERT_BLOCK];
    uint32_t excess[4] = {0, 0, 0, 0};
    uint32_t first, row;

    for (row = 0; row < rows && op->source == EMBBERT_INT8; row++) {
        excess[row] = embbert_excess((const int8_t *)source + (size_t)row * op->inputs, op->inputs);
    }
    for (first = 0; first < op->outputs; first += EMBBERT_BLOCK) {
        const uint32_t width = embbert_smaller(EMBBERT_BLOCK, op->outputs - first);
        if (op->source == EMBBERT_INT16) {
            for (row = 0; row < rows; row++) {
                one_row16(op, (const int16_t *)source + (size_t)row * op->inputs, first, width, sums[row]);
            }
        } else if (rows == EMBBERT_ROWS) {
            four_rows(op, (const int8_t *)source, first, width, excess, sums);
        } else {
            for (row = 0; row < rows; row++) {
                one_row(op, (const int8_t *)source + (size_t)row * op->inputs, first, width, excess[row], sums[row]);
            }
        }
        for (row = 0; row < rows; row++) {
            store(op, sums[row], row, first, width, out);
        }
    }
}
