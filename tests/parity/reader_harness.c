/* Reads texts from stdin, writes their ids to stdout; uint32 numbers in the order of the machine.
 * In: tokenizer, pair (0 or 1), max_length, a_bytes, b_bytes, the bytes. Out: how many ids, the ids as uint16.
 * Every buffer has its exact size on the heap, so that the address sanitizer sees one byte too far. */
#include "../native/reader.h"

#include <stdio.h>
#include <stdlib.h>

extern const tokenizer *const tokenizers[];

static char *take(uint32_t bytes)
{
    char *buffer = bytes == 0u ? NULL : malloc(bytes);
    if (bytes != 0u && (buffer == NULL || fread(buffer, 1, bytes, stdin) != bytes)) {
        exit(2);
    }
    return buffer;
}

int main(void)
{
    uint32_t head[5];
    while (fread(head, sizeof head[0], 5, stdin) == 5) {
        char *a = take(head[3]);
        char *b = take(head[4]);
        uint16_t *ids = malloc(head[2] * sizeof *ids);
        uint32_t count = head[1] ? ENCODE_PAIR(tokenizers[head[0]], a, head[3], b, head[4], ids, head[2])
                                 : ENCODE(tokenizers[head[0]], a, head[3], ids, head[2]);
        fwrite(&count, sizeof count, 1, stdout);
        fwrite(ids, sizeof *ids, count, stdout);
        fflush(stdout);
        free(ids);
        free(b);
        free(a);
    }
    return 0;
}
