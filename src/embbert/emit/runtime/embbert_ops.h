/* embbert_ops.h - the operators of the integer model. Generated code fills the structures and calls the functions.
 *
 * Every operator takes up to four rows at a time ("a pass"). Ranges are symmetric, zero points are 0,
 * accumulators are int32; `requantize` is (accumulator * multiplier + 2^(shift-1)) >> shift in int64. */
#ifndef EMBBERT_OPS_H
#define EMBBERT_OPS_H

#include <stddef.h>
#include <stdint.h>

/* What the rows of a matrix product hold. */
#define EMBBERT_INT8 0u
#define EMBBERT_INT16 1u
#define EMBBERT_INT16_ADD 2u /* adds to what is there */
#define EMBBERT_INT32 3u

/* Token, position and segment to a row: the sum of two requantised products and a table entry, clamped. */
typedef struct embbert_embed {
    const int8_t *token_table;          /* [vocab_size][rank] */
    const int8_t *token_weight;         /* [rank][cols] */
    const int32_t *token_multiplier;    /* [cols] */
    const int8_t *position_table;       /* [max_length][rank] */
    const int8_t *position_weight;      /* [rank][cols] */
    const int32_t *position_multiplier; /* [cols] */
    const int16_t *segment_table;       /* [2][cols] */
    uint16_t cols;
    uint16_t rank;
    uint8_t token_shift;
    uint8_t position_shift;
    uint8_t token_lift; /* bits by which the sums can be shifted up before they are multiplied, without overflow */
    uint8_t position_lift;
} embbert_embed;

/* The same from tables as wide as the row. */
typedef struct embbert_embed_wide {
    const int8_t *token_table;          /* [vocab_size][cols] */
    const int32_t *token_multiplier;    /* [cols] */
    const int8_t *position_table;       /* [max_length][cols] */
    const int32_t *position_multiplier; /* [cols] */
    const int16_t *segment_table;       /* [2][cols] */
    uint16_t cols;
    uint8_t token_shift;
    uint8_t position_shift;
} embbert_embed_wide;

/* Row / root of its mean square, times a gain per channel. */
typedef struct embbert_norm {
    const int16_t *gain; /* [cols] */
    uint64_t epsilon;    /* >= 1; added to the sum of squares */
    uint16_t cols;
    uint8_t shift;
} embbert_norm;

/* The same of what differs from the row's mean, and a bias per channel. */
typedef struct embbert_layer_norm {
    const int16_t *gain; /* [cols] */
    const int16_t *bias; /* [cols], in 1/256 of what is written */
    uint64_t epsilon;    /* >= 1; added to the sum of squares */
    uint16_t cols;
    uint8_t shift;
} embbert_layer_norm;

/* Matrix product with bias, requantised per output. */
typedef struct embbert_linear {
    const int8_t *weight;      /* [outputs][inputs] */
    const int32_t *bias;       /* [outputs] */
    const int32_t *multiplier; /* [outputs] */
    uint16_t inputs;
    uint16_t outputs;
    uint8_t shift;
    uint8_t lift;   /* bits by which the sums can be shifted up before they are multiplied, without overflow */
    uint8_t source; /* of the rows read: EMBBERT_INT8 or EMBBERT_INT16 */
    uint8_t target; /* of the rows written: any of them */
} embbert_linear;

/* Attention of each row's query over keys and values of every token, which may be the same rows. */
typedef struct embbert_attend {
    int32_t exp_multiplier;
    int32_t out_multiplier;
    uint16_t cols;       /* of queries and keys */
    uint16_t value_cols; /* of values and results */
    uint8_t exp_shift;
    uint8_t out_shift;
} embbert_attend;

/* Depth-wise convolution over tokens, then a table of 256. Output channel c*expansion + m reads input channel c;
 * the constants of all c of one m lie together. */
typedef struct embbert_conv {
    const int8_t *weight;      /* [taps][expansion][cols] */
    const int32_t *bias;       /* [expansion][cols] */
    const int32_t *multiplier; /* [expansion][cols] */
    const int8_t *table;       /* [256], entry value + 128 */
    uint16_t cols;             /* input channels */
    uint16_t expansion;        /* output channels per input channel */
    uint16_t taps;
    uint16_t left; /* taps before the row's own token */
    uint8_t shift;
} embbert_conv;

/* Every value requantised by the same factor. */
typedef struct embbert_rescale {
    int32_t multiplier;
    uint16_t cols;
    uint8_t shift;
    uint8_t source; /* of the rows read: EMBBERT_INT8 or EMBBERT_INT16 */
    uint8_t target; /* of the rows written: any but EMBBERT_INT32 */
} embbert_rescale;

/* A table of 256 for every value. */
typedef struct embbert_look_up {
    const int8_t *table; /* [256], entry value + 128 */
    uint16_t cols;
} embbert_look_up;

/* Weights of a text's ids, added up, divided by the root of how many there are, requantised per output. */
typedef struct embbert_bag {
    const int8_t *weight;      /* [vocab_size][outputs] */
    const int32_t *bias;       /* [outputs] */
    const int32_t *multiplier; /* [outputs] */
    uint16_t outputs;
    uint8_t shift;
} embbert_bag;

/* `second`: the index of the first token of the second segment; `count` or more if there is none. */
void embbert_embed_rows(const embbert_embed *op, const uint16_t *ids, uint32_t second, uint32_t first_row,
                        uint32_t rows, int16_t *out);
void embbert_embed_wide_rows(const embbert_embed_wide *op, const uint16_t *ids, uint32_t second, uint32_t first_row,
                             uint32_t rows, int16_t *out);
void embbert_norm_rows(const embbert_norm *op, const int16_t *source, uint32_t rows, int8_t *out);
void embbert_layer_norm_rows(const embbert_layer_norm *op, const int16_t *source, uint32_t rows, int8_t *out);
void embbert_linear_rows(const embbert_linear *op, const void *source, uint32_t rows, void *out);
/* `keys` [count][cols], `values` [count][value_cols]; `scores` is working memory for 4 * count values. */
void embbert_attend_rows(const embbert_attend *op, const int8_t *query, uint32_t rows, const int8_t *keys,
                         const int8_t *values, uint32_t count, int32_t *scores, int8_t *out);
/* `text` [count][cols]; row i of `out` belongs to token first_row + i. */
void embbert_conv_rows(const embbert_conv *op, const int8_t *text, uint32_t count, uint32_t first_row,
                       uint32_t rows, int8_t *out);
void embbert_add_rows(const int16_t *source, uint32_t rows, uint32_t cols, int16_t *out);
void embbert_rescale_rows(const embbert_rescale *op, const void *source, uint32_t rows, void *out);
void embbert_look_up_rows(const embbert_look_up *op, const int8_t *source, uint32_t rows, int8_t *out);
/* Of all `count` <= 65535 ids of a text at once; there may be none. */
void embbert_bag_rows(const embbert_bag *op, const uint16_t *ids, uint32_t count, int32_t *out);

/* The average over all rows of a stage: clear the sums, add each pass, divide. */
void embbert_pool_clear(int32_t *sums, uint32_t cols);
void embbert_pool_add8(const int8_t *source, uint32_t rows, uint32_t cols, int32_t *sums);
void embbert_pool_add16(const int16_t *source, uint32_t rows, uint32_t cols, int32_t *sums);
void embbert_pool_divide(const int32_t *sums, uint32_t cols, uint32_t count, uint32_t shift, int16_t *out);
/* The same for the root of the mean square. */
void embbert_pool_add_squares(const int8_t *source, uint32_t rows, uint32_t cols, int32_t *sums);
void embbert_pool_root(const int32_t *sums, uint32_t cols, uint32_t count, int16_t *out);

/* Where the second segment begins: the first [SEP] of `ids`, or `count`. */
uint32_t embbert_second_segment(const uint16_t *ids, uint32_t count);
/* The largest logit; of equal ones the first. */
uint32_t embbert_argmax(const int32_t *logits, uint32_t classes);

#ifdef EMBBERT_TRACE
/* For verification: a build with EMBBERT_TRACE reports what every operator wrote to this function, which the
 * program around it defines. */
extern void embbert_trace(const char *name, const void *data, uint32_t rows, uint32_t cols, uint32_t element_bytes,
                          uint32_t first_row);
#define EMBBERT_TRACE_ROWS(name, data, rows, cols, element_bytes, first_row) \
    embbert_trace(name, data, rows, cols, element_bytes, first_row)
#else
#define EMBBERT_TRACE_ROWS(name, data, rows, cols, element_bytes, first_row) ((void)0)
#endif

#endif
