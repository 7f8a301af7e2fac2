/* More operators whose weights may lie in a file: can nothing in it do harm? Copied out for models that have them. */
#include "embbert_blob.h"

int embbert_embed_wide_sound(const embbert_embed_wide *op, uint32_t vocab_size, uint32_t max_length)
{
    return embbert_in_range8(op->token_table, (size_t)vocab_size * op->cols) &&
           embbert_in_range8(op->position_table, (size_t)max_length * op->cols) &&
           embbert_in_range32(op->token_multiplier, op->cols) &&
           embbert_in_range32(op->position_multiplier, op->cols) &&
           embbert_in_range16(op->segment_table, (size_t)2u * op->cols) && embbert_shift_in_range(op->token_shift) &&
           embbert_shift_in_range(op->position_shift);
}

static int bias_can_be_shifted(int32_t shift)
{
    return shift >= 8 && shift <= 48;
}

int embbert_layer_norm_sound(const embbert_layer_norm *op)
{
    const uint64_t squares = (uint64_t)op->cols * 32767u * 32767u;
    const int32_t shift = op->shift;

    return op->epsilon >= 1u && op->epsilon < (uint64_t)1 << 62 && embbert_in_range16(op->gain, op->cols) &&
           embbert_in_range16(op->bias, op->cols) && bias_can_be_shifted(shift + embbert_root_shift(op->epsilon)) &&
           bias_can_be_shifted(shift + embbert_root_shift(op->epsilon + squares));
}

int embbert_rescale_sound(const embbert_rescale *op)
{
    return embbert_in_range32(&op->multiplier, 1u) && embbert_shift_in_range(op->shift);
}

int embbert_look_up_sound(const embbert_look_up *op)
{
    return embbert_in_range8(op->table, 256u);
}

int embbert_bag_sound(const embbert_bag *op, uint32_t vocab_size)
{
    /* At most 65535 weights of at most 127 cannot overflow. */
    return embbert_in_range8(op->weight, (size_t)vocab_size * op->outputs) &&
           embbert_in_range32(op->bias, op->outputs) && embbert_in_range32(op->multiplier, op->outputs) &&
           embbert_shift_in_range(op->shift);
}
