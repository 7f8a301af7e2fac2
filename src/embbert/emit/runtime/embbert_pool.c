/* The average of the rows of a text. */
#include "embbert_math.h"
#include "embbert_ops.h"

void embbert_pool_clear(int32_t *sums, uint32_t cols)
{
    uint32_t c;

    for (c = 0; c < cols; c++) {
        sums[c] = 0;
    }
}

void embbert_pool_add8(const int8_t *source, uint32_t rows, uint32_t cols, int32_t *sums)
{
    uint32_t row, c;

    for (row = 0; row < rows; row++) {
        for (c = 0; c < cols; c++) {
            sums[c] += source[(size_t)row * cols + c];
        }
    }
}

void embbert_pool_add16(const int16_t *source, uint32_t rows, uint32_t cols, int32_t *sums)
{
    uint32_t row, c;

    for (row = 0; row < rows; row++) {
        for (c = 0; c < cols; c++) {
            sums[c] += source[(size_t)row * cols + c];
        }
    }
}

void embbert_pool_divide(const int32_t *sums, uint32_t cols, uint32_t count, uint32_t shift, int16_t *out)
{
    const int64_t scale = (int64_t)2 << shift, divisor = 2 * (int64_t)count;
    uint32_t c;

    for (c = 0; c < cols; c++) {
        const int64_t twice = scale * sums[c] + (int64_t)count;
        int64_t quotient = twice / divisor;
        if (twice % divisor < 0) {
            quotient--; /* C rounds towards 0, the format downwards */
        }
        out[c] = embbert_clamp16(quotient);
    }
}
