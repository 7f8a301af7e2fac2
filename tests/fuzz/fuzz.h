/* What libFuzzer's targets share: a condition that must hold, and bytes on the heap in their exact size, so that the
 * sanitizers see one byte too far. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int condition)
{
    if (!condition) {
        abort();
    }
}

static void *copy(const void *data, size_t size)
{
    void *bytes = malloc(size > 0u ? size : 1u);
    need(bytes != NULL);
    memcpy(bytes, data, size);
    return bytes;
}

#endif
