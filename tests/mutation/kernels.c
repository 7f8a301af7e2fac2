/* The inner loops and the arithmetic in the form that this was compiled for, against loops that are as simple as can
 * be. Every array has its exact size on the heap, so that a sanitizer sees one element too far. Prints the first
 * difference and fails. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "embbert_kernels.h"
#include "embbert_math.h"
#include "embbert_scaling.h"

#define ROUNDS 300
#define EXTREMES 4 /* one of so many rounds has values at their limits only */

static uint32_t state = 1;
static int extreme;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % below;
}

static int32_t draw_within(int32_t low, int32_t high)
{
    if (extreme) {
        return draw(2) ? high : low;
    }
    return (int32_t)(low + (int64_t)draw((uint32_t)high - (uint32_t)low));
}

static void *room(size_t elements, size_t bytes)
{
    void *place = malloc(elements * bytes);

    if (place == NULL) {
        exit(2);
    }
    return place;
}

static int8_t *bytes_of(size_t elements)
{
    int8_t *values = room(elements, 1);
    size_t i;

    for (i = 0; i < elements; i++) {
        values[i] = (int8_t)draw_within(-127, 127);
    }
    return values;
}

static int32_t *sums_of(size_t elements)
{
    int32_t *values = room(elements, sizeof *values);
    size_t i;

    for (i = 0; i < elements; i++) {
        values[i] = draw_within(-100000, 100000);
    }
    return values;
}

static void same(int64_t found, int64_t expected, const char *what)
{
    if (found != expected) {
        printf("%s: %lld, not %lld\n", what, (long long)found, (long long)expected);
        exit(1);
    }
}

static void products(uint32_t rows, uint32_t outputs, uint32_t count, int biased)
{
    int8_t *weight = bytes_of((size_t)outputs * count), *x = bytes_of((size_t)rows * count);
    int32_t *bias = sums_of(outputs);
    const uint32_t row_step = biased ? EMBBERT_ROW : EMBBERT_FACTOR_ROW(outputs);
    const uint32_t step = biased ? EMBBERT_STEP : EMBBERT_FACTOR_STEP;
    int32_t *sums = room(biased ? 4u * EMBBERT_BLOCK : 4u * outputs, sizeof *sums);
    uint32_t row, o, i;

    embbert_products(weight, biased ? bias : NULL, outputs, x, rows, count, sums, row_step, step);
    for (row = 0; row < rows; row++) {
        int64_t first = 0;
        for (o = 0; o < outputs; o++) {
            int64_t sum = biased ? bias[o] : 0;
            for (i = 0; i < count; i++) {
                sum += weight[o * count + i] * x[row * count + i];
            }
            if (o == 0 && !biased) { /* scores may all be off by the same amount */
                first = sum - sums[row * row_step];
            }
            same(sums[row * row_step + o * step] + first, sum, "products");
        }
    }
    free(sums);
    free(bias);
    free(x);
    free(weight);
}

static void mix(uint32_t rows, uint32_t columns, uint32_t spare, uint32_t count, int32_t largest)
{
    const uint32_t stride = columns + spare;
    int8_t *keys = bytes_of((size_t)(count - 1u) * stride + columns);
    int32_t *plain = room(4u * count, sizeof *plain), *factors = room(4u * count, sizeof *factors);
    int32_t *sums = sums_of(4u * EMBBERT_BLOCK), *before = room(4u * EMBBERT_BLOCK, sizeof *before);
    uint32_t row, j, c;

    for (row = 0; row < 4u; row++) {
        for (j = 0; j < count; j++) {
            plain[row * count + j] = row < rows ? draw_within(largest == 127 ? -127 : 0, largest) : 0;
            embbert_put_factor(factors, row, j, count, plain[row * count + j]);
        }
    }
    for (c = 0; c < 4u * EMBBERT_BLOCK; c++) {
        before[c] = sums[c];
    }
    embbert_mix(factors, keys, stride, count, rows, columns, sums);
    for (row = 0; row < rows; row++) {
        for (c = 0; c < columns; c++) {
            int64_t sum = before[row * EMBBERT_ROW + c * EMBBERT_STEP];
            for (j = 0; j < count; j++) {
                sum += (int64_t)plain[row * count + j] * keys[j * stride + c];
            }
            same(sums[row * EMBBERT_ROW + c * EMBBERT_STEP], sum, "mix");
        }
    }
    free(before);
    free(sums);
    free(factors);
    free(plain);
    free(keys);
}

static void window(uint32_t rows, uint32_t columns, uint32_t spare, uint32_t taps)
{
    const uint32_t step = columns + 2u * spare, stride = columns + spare;
    int8_t *weight = bytes_of((size_t)(taps - 1u) * step + columns);
    int8_t *text = bytes_of((size_t)(taps + rows - 2u) * stride + columns);
    int32_t *sums = sums_of(4u * EMBBERT_BLOCK), *before = room(4u * EMBBERT_BLOCK, sizeof *before);
    uint32_t row, k, c;

    for (c = 0; c < 4u * EMBBERT_BLOCK; c++) {
        before[c] = sums[c];
    }
    embbert_window(weight, step, text, stride, taps, rows, columns, sums);
    for (row = 0; row < rows; row++) {
        for (c = 0; c < columns; c++) {
            int64_t sum = before[row * EMBBERT_ROW + c * EMBBERT_STEP];
            for (k = 0; k < taps; k++) {
                sum += weight[k * step + c] * text[(k + row) * stride + c];
            }
            same(sums[row * EMBBERT_ROW + c * EMBBERT_STEP], sum, "window");
        }
    }
    free(before);
    free(sums);
    free(text);
    free(weight);
}

static int64_t within(int64_t value, int64_t limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

static void scaling(uint32_t columns, uint32_t each)
{
    const uint32_t lift = draw(8), shift = EMBBERT_HIGH - lift + draw(20);
    int32_t *multiplier = room(each ? columns : 1u, sizeof *multiplier);
    int32_t *sums = sums_of(4u * EMBBERT_BLOCK), *before = room(EMBBERT_BLOCK, sizeof *before);
    uint32_t c;
    embbert_scaling by;

    for (c = 0; c < (each ? columns : 1u); c++) {
        multiplier[c] = draw_within(-INT32_MAX, INT32_MAX);
    }
    for (c = 0; c < columns; c++) {
        before[c] = sums[c * EMBBERT_STEP];
    }
    by = embbert_scaling_of(multiplier, each, shift, lift);
    embbert_scale(&by, sums, columns);
    for (c = 0; c < columns; c++) {
        const int64_t product = (int64_t)before[c] * multiplier[each ? c : 0u];
        same(embbert_scaled(&by, sums, c), (product + ((int64_t)1 << (shift - 1u))) >> shift, "scaling");
    }
    free(before);
    free(sums);
    free(multiplier);
}

static void arithmetic(void)
{
    static const int64_t limits[] = {127, 32767, INT32_MAX};
    const int32_t a = draw_within(-INT32_MAX, INT32_MAX), b = draw_within(-INT32_MAX, INT32_MAX);
    const uint32_t shift = 1u + draw(62), upper = EMBBERT_HIGH + draw(30), value = draw(4) ? (uint32_t)a : draw(9);
    const uint64_t root = embbert_isqrt(value);
    const int64_t product = (int64_t)a * b;
    int64_t near;
    uint32_t i;

    same(embbert_requantize(a, b, shift), (product + ((int64_t)1 << (shift - 1u))) >> shift, "requantize");
    same(embbert_high(a, b, embbert_half(upper), upper), (product + ((int64_t)1 << (upper - 1u))) >> upper, "high");
    same(root * root <= value && (root + 1u) * (root + 1u) > value, 1, "root");
    same(embbert_from_bits((uint32_t)a), a, "bits");
    same(embbert_from_bits(0x80000000u), INT32_MIN, "bits");
    for (i = 0; i < 3u; i++) {
        for (near = limits[i] - 2; near <= limits[i] + 2; near++) {
            const int64_t value_near = draw(2) ? near : -near;
            same(embbert_clamp8(value_near), within(value_near, 127), "clamp8");
            same(embbert_clamp16(value_near), within(value_near, 32767), "clamp16");
            same(embbert_clamp32(value_near), within(value_near, INT32_MAX), "clamp32");
            if (value_near == (int32_t)value_near) {
                same(embbert_narrow8((int32_t)value_near), within(value_near, 127), "narrow8");
                same(embbert_narrow16((int32_t)value_near), within(value_near, 32767), "narrow16");
            }
        }
    }
    same(embbert_clamp8(product), within(product, 127), "clamp8");
    same(embbert_clamp16(product), within(product, 32767), "clamp16");
    same(embbert_clamp32(product), within(product, INT32_MAX), "clamp32");
    same(embbert_narrow8(a), within(a, 127), "narrow8");
    same(embbert_narrow16(a), within(a, 32767), "narrow16");
    same(embbert_smaller(value, (uint32_t)b), value < (uint32_t)b ? value : (uint32_t)b, "smaller");
}

int main(void)
{
    uint32_t round;

    for (round = 0; round < ROUNDS; round++) {
        const uint32_t rows = 1u + round % 4u, spare = draw(3), wide = round % 3u;
        const uint32_t columns = wide == 0u ? EMBBERT_BLOCK : wide == 1u ? EMBBERT_BLOCK / 2u : 1u + draw(EMBBERT_BLOCK);
        extreme = draw(EXTREMES) == 0u;
        products(rows, columns, 1u + draw(300), 1);
        products(rows, 1u + draw(40), 16u * (1u + draw(9)), 0);
        mix(rows, columns, spare, 1u + draw(20), draw(2) ? 127 : 16384);
        window(rows, columns, spare, 1u + draw(12));
        scaling(columns, round % 2u);
        arithmetic();
    }
    return 0;
}
