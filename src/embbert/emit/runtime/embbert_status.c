/* What every model shares beside operators: the words for each status, the second segment, the largest logit. */
#include "embbert.h"
#include "embbert_ops.h"

const char *embbert_status_text(embbert_status status)
{
    switch (status) {
    case EMBBERT_OK:
        return "ok";
    case EMBBERT_ARENA_NULL:
        return "no arena was given";
    case EMBBERT_ARENA_MISALIGNED:
        return "the arena's address is not aligned as the model's header states";
    case EMBBERT_ARENA_TOO_SMALL:
        return "the arena is smaller than the model's header states";
    case EMBBERT_TEXT_NULL:
        return "no text was given";
    case EMBBERT_RESULT_NULL:
        return "no place for the result was given";
    case EMBBERT_NO_TOKENS:
        return "there are no token ids";
    case EMBBERT_TOO_MANY_TOKENS:
        return "there are more tokens or n-grams than the model takes";
    case EMBBERT_BAD_TOKEN:
        return "an id is unknown, or a token stands behind n-grams";
    case EMBBERT_SELF_TEST_FAILED:
        return "the self-test's results differ from those of the exported model";
    case EMBBERT_WEIGHTS_NULL:
        return "there are no weights, or they were not opened";
    case EMBBERT_WEIGHTS_MISALIGNED:
        return "the address of the weights is not a multiple of 8";
    case EMBBERT_WEIGHTS_TRUNCATED:
        return "the weights are cut off";
    case EMBBERT_WEIGHTS_UNKNOWN:
        return "this is no file of weights, or one of another version or byte order";
    case EMBBERT_WEIGHTS_FOREIGN:
        return "the weights belong to another model";
    case EMBBERT_WEIGHTS_DAMAGED:
        return "the checksum of the weights is wrong";
    case EMBBERT_WEIGHTS_UNSOUND:
        return "a value among the weights is out of range";
    }
    return "unknown status";
}

#define SEP 4u /* EMBBERT_SEP of embbert_tokenizer.h, which not every model has */

uint32_t embbert_second_segment(const uint16_t *ids, uint32_t count)
{
    uint32_t i = 0;

    while (i < count && ids[i] != SEP) {
        i++;
    }
    return i;
}

uint32_t embbert_argmax(const int32_t *logits, uint32_t classes)
{
    uint32_t i, best = 0;

    for (i = 1; i < classes; i++) {
        if (logits[i] > logits[best]) {
            best = i;
        }
    }
    return best;
}
