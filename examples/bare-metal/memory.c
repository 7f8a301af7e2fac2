/* The three functions that a compiler may call on its own. A firmware with a C library has them. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict target, const void *restrict source, size_t bytes);
void *memmove(void *target, const void *source, size_t bytes);
void *memset(void *target, int value, size_t bytes);

void *memcpy(void *restrict target, const void *restrict source, size_t bytes)
{
    uint8_t *to = (uint8_t *)target;
    const uint8_t *from = (const uint8_t *)source;
    size_t i;

    for (i = 0; i < bytes; i++) {
        to[i] = from[i];
    }
    return target;
}

void *memmove(void *target, const void *source, size_t bytes)
{
    uint8_t *to = (uint8_t *)target;
    const uint8_t *from = (const uint8_t *)source;
    size_t i;

    if ((uintptr_t)to < (uintptr_t)from) {
        for (i = 0; i < bytes; i++) {
            to[i] = from[i];
        }
        return target;
    }
    for (i = bytes; i > 0; i--) {
        to[i - 1] = from[i - 1];
    }
    return target;
}

void *memset(void *target, int value, size_t bytes)
{
    uint8_t *to = (uint8_t *)target;
    size_t i;

    for (i = 0; i < bytes; i++) {
        to[i] = (uint8_t)value;
    }
    return target;
}
