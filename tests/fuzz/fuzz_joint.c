/* libFuzzer: any bytes as a text of a model with n-grams beside tokens, and as a list of its ids. What it makes of a text
 * it must take, with the logits of the text; a list it must take exactly if it is one. Lists lie on the heap in their
 * exact size, so that the sanitizers see one id too far. */
#include "fuzz.h"
#include "model.h"

static uint64_t arena[MODEL_ARENA_BYTES / 8], other[MODEL_ARENA_BYTES / 8];

/* Tokens, at least one, and then n-grams; not too many of either. */
static int is_text(const uint16_t *ids, uint32_t count)
{
    uint32_t i, tokens = 0;

    for (i = 0; i < count; i++) {
        if (ids[i] < MODEL_VOCAB_SIZE) {
            if (tokens != i) {
                return 0;
            }
            tokens++;
        }
        if (ids[i] >= MODEL_VOCAB_SIZE + MODEL_NGRAMS) {
            return 0;
        }
    }
    return tokens > 0u && tokens <= MODEL_MAX_LENGTH && count - tokens <= MODEL_MAX_NGRAMS;
}

static void as_text(const char *text, size_t bytes)
{
    uint16_t ids[MODEL_MAX_IDS];
    int32_t logits[MODEL_CLASSES];
    uint32_t count, class_index;

    need(model_classify(arena, sizeof arena, text, bytes, &class_index) == EMBBERT_OK);
    need(class_index < MODEL_CLASSES);
    need(model_encode(text, bytes, ids, &count) == EMBBERT_OK);
    need(count <= MODEL_MAX_IDS && is_text(ids, count));
    need(model_run_ids(other, sizeof other, ids, count, logits) == EMBBERT_OK);
    need(memcmp(logits, model_logits(arena), sizeof logits) == 0);
}

static void as_ids(const uint8_t *data, size_t size)
{
    const uint32_t count = (uint32_t)(size / 2u);
    uint16_t *ids = malloc(size + 1u);
    int32_t logits[MODEL_CLASSES];
    uint32_t i;

    need(ids != NULL);
    for (i = 0; i < count; i++) {
        ids[i] = (uint16_t)((data[2u * i] << 8 | data[2u * i + 1u]) % (MODEL_VOCAB_SIZE + MODEL_NGRAMS + 2u));
    }
    ids = realloc(ids, count > 0u ? 2u * count : 1u);
    need(ids != NULL);
    need((model_run_ids(arena, sizeof arena, ids, count, logits) == EMBBERT_OK) == is_text(ids, count));
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy(data, size);

    as_text(text, size);
    free(text);
    as_ids(data, size);
    return 0;
}
