/* libFuzzer: any bytes as a file of weights. An even first byte leaves them as they are; an odd one repairs header and
 * checksum, so that only the checks of the values stand between them and the operators. */
#include "net.h"

#include "../native/crc32.h"

#include <stdlib.h>
#include <string.h>

#ifdef NET_NGRAMS
#define MOST_NGRAMS NET_MAX_NGRAMS
#else
#define MOST_NGRAMS 0u
#endif

extern const uint8_t fuzzed_header[48];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t arena[NET_ARENA_BYTES / 8];
    const int repair = size > 0u && data[0] % 2u != 0u;
    size_t bytes = size > 0u ? size - 1u : 0u;
    net_weights weights;
    uint8_t *blob;
    uint32_t i, crc;

    if (repair && bytes > NET_BLOB_BYTES) {
        bytes = NET_BLOB_BYTES;
    }
    /* Exactly as large as it is said to be, so that a read beyond it is seen. */
    blob = calloc(repair ? NET_BLOB_BYTES : bytes > 0u ? bytes : 1u, 1);
    memcpy(blob, data + (size > 0u), bytes);
    if (repair) {
        bytes = NET_BLOB_BYTES;
        memcpy(blob, fuzzed_header, sizeof fuzzed_header);
        crc = crc32(blob, bytes - 4u);
        memcpy(blob + bytes - 4u, &crc, 4u);
    }
    if (net_open(blob, bytes, &weights) == EMBBERT_OK) {
        uint16_t ids[NET_MAX_LENGTH + MOST_NGRAMS];
        int32_t logits[NET_CLASSES];
        uint32_t count = 1u + data[0] % NET_MAX_LENGTH;
        for (i = 0; i < NET_MAX_LENGTH; i++) {
            ids[i] = (uint16_t)((i * 5u + data[0]) % NET_VOCAB_SIZE);
        }
#ifdef NET_NGRAMS
        for (i = 0; i < data[0] % (MOST_NGRAMS + 1u); i++) {
            ids[count++] = (uint16_t)(NET_VOCAB_SIZE + (i * 5u + data[0]) % NET_NGRAMS);
        }
#endif
        if (net_run_ids(&weights, arena, sizeof arena, ids, count, logits) != EMBBERT_OK) {
            abort();
        }
    }
    free(blob);
    return 0;
}
