/* embbert_kernels.h - the inner loops of the operators, in one of several forms. Internal to the runtime.
 *
 * The compiler's own macros choose the form; -DEMBBERT_KERNELS=1 .. 4 overrules them. All forms compute the same
 * integers. They differ in how a block of sums lies in memory, because that decides what the loops around it
 * cost: four rows side by side where values go through single registers, one row after the other where the
 * processor has vectors. */
#ifndef EMBBERT_KERNELS_H
#define EMBBERT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define EMBBERT_SCALAR 1 /* any processor */
#define EMBBERT_DSP 2    /* Arm cores that multiply two pairs of 16-bit numbers at once: Cortex-M4, M7, M33 */
#define EMBBERT_VECTOR 3 /* loops that compilers turn into vector code: x86, AArch64, WebAssembly */
#define EMBBERT_MVE 4    /* Arm Helium: Cortex-M55, M85 */

#ifndef EMBBERT_KERNELS
#if defined(__ARM_FEATURE_MVE) && !defined(__ARM_BIG_ENDIAN)
#define EMBBERT_KERNELS EMBBERT_MVE
#elif defined(__SSE2__) || defined(__ARM_NEON) || defined(__wasm_simd128__) || defined(__riscv_vector)
#define EMBBERT_KERNELS EMBBERT_VECTOR
/* In Thumb code, whose LDRD takes any two registers. */
#elif defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__) && defined(__GNUC__) && !defined(__ARM_BIG_ENDIAN)
#define EMBBERT_KERNELS EMBBERT_DSP
#else
#define EMBBERT_KERNELS EMBBERT_SCALAR
#endif
#endif

/* A block: sums of four rows and up to EMBBERT_BLOCK columns, on the stack. From one column to the next it is
 * EMBBERT_STEP elements, from row to row EMBBERT_ROW. */
#if EMBBERT_KERNELS == EMBBERT_SCALAR || EMBBERT_KERNELS == EMBBERT_DSP
#define EMBBERT_BLOCK 32u
#define EMBBERT_STEP 4u
#define EMBBERT_ROW 1u
#else
#define EMBBERT_BLOCK 64u
#define EMBBERT_STEP 1u
#define EMBBERT_ROW EMBBERT_BLOCK
#endif

/* The same of scores and factors, of which there are as many as tokens. */
#if EMBBERT_KERNELS == EMBBERT_VECTOR
#define EMBBERT_FACTOR_STEP 1u
#define EMBBERT_FACTOR_ROW(count) (count)
#else
#define EMBBERT_FACTOR_STEP 4u
#define EMBBERT_FACTOR_ROW(count) 1u
#endif

/* Where a row begins in a block of sums of four rows. */
static inline int32_t *embbert_row(int32_t *sums, uint32_t row)
{
    return sums + row * EMBBERT_ROW;
}

/* sums(row, o) = bias[o] + products of x[row] and weight[o], both `count` long; rows <= 4. sums(row, o) lies at
 * row * row_step + o * step: as in a block, or as factors lie. Rows beyond `rows` may be written, and then hold
 * nothing of use. Without a bias (NULL) the sums of a row may all be off by the same amount. */
void embbert_products(const int8_t *weight, const int32_t *bias, uint32_t outputs, const int8_t *x, uint32_t rows,
                      uint32_t count, int32_t *sums, uint32_t row_step, uint32_t step);

/* Factors of a mix, int8 or 0 .. 16384, for `count` keys and four rows: puts one in its place. In ascending order
 * factors may take the place of sums of the same row and index. */
static inline void embbert_put_factor(int32_t *factors, uint32_t row, uint32_t j, uint32_t count, int32_t value)
{
#if EMBBERT_KERNELS == EMBBERT_DSP
    uint32_t *pair = (uint32_t *)factors + (size_t)(j / 2u) * 4u + row;

    *pair = j % 2u == 0u ? (uint32_t)value & 0xffffu : *pair | (uint32_t)value << 16;
#else
    factors[row * EMBBERT_FACTOR_ROW(count) + j * EMBBERT_FACTOR_STEP] = value;
#endif
    (void)count;
}

/* sums(row, c) += sum over j of factor(row, j) * keys[j * stride + c], c < columns <= EMBBERT_BLOCK, in a block.
 * There must be factors for four rows: 0 beyond `rows`. */
void embbert_mix(const int32_t *factors, const int8_t *keys, uint32_t stride, uint32_t count, uint32_t rows,
                 uint32_t columns, int32_t *sums);

/* sums(row, c) += sum over k of weight[k * step + c] * text[(k + row) * stride + c], in a block, for rows
 * 0 .. rows - 1. */
void embbert_window(const int8_t *weight, uint32_t step, const int8_t *text, uint32_t stride, uint32_t taps,
                    uint32_t rows, uint32_t columns, int32_t *sums);

#if EMBBERT_KERNELS == EMBBERT_MVE
/* out[c] = clamp8(x[c] * inverse * gain[c] / 2^shift, rounded), shift >= EMBBERT_HIGH: the second half of the norm. */
void embbert_gain(const int16_t *x, const int16_t *gain, int32_t inverse, uint32_t shift, uint32_t cols, int8_t *out);
#endif

#endif
