/* The harness as a process: requests on standard input, records on standard output. */
#ifdef HARNESS_STACK
#define _XOPEN_SOURCE 700
#include <ucontext.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static uint8_t *parts[2];

#if defined(HARNESS_CHECKS) || defined(HARNESS_GUARDS)
#define GUARDED
#endif

#ifdef GUARDED
#define GUARD_BYTES 64u /* on each side; the arena between stays as aligned as what malloc gives */
#define GUARD 0x5A
#else
#define GUARD_BYTES 0u /* exactly as large as stated, so that the address sanitizer sees what is beyond */
#endif
static uint8_t *block;

int harness_get(void *data, size_t bytes)
{
    return fread(data, 1, bytes, stdin) == bytes;
}

void harness_put(const void *data, size_t bytes)
{
    if (bytes > 0 && fwrite(data, 1, bytes, stdout) != bytes) {
        exit(HARNESS_WRITE_FAILED);
    }
}

void harness_flush(void)
{
    fflush(stdout);
}

void harness_stop(int code)
{
    exit(code);
}

uint8_t *harness_part(int which, size_t bytes)
{
    free(parts[which]);
    /* Exactly as large as the text, so that the address sanitizer sees a read beyond its end. */
    parts[which] = malloc(bytes > 0 ? bytes : 1u);
    if (parts[which] == NULL) {
        exit(HARNESS_TOO_LARGE);
    }
    return parts[which];
}

#ifdef HARNESS_STACK
/* The call runs on a stack of its own, painted before; what is no longer paint afterwards was used. */
static ucontext_t caller, callee;
static uint8_t stack[1 << 16];

uint32_t harness_stack(void (*function)(void))
{
    size_t unused = 0;

    function(); /* a dynamic linker looks up memset and the like during their first call */
    memset(stack, 0xC5, sizeof stack);
    if (getcontext(&callee) != 0) {
        exit(HARNESS_NO_STACK);
    }
    callee.uc_stack.ss_sp = stack;
    callee.uc_stack.ss_size = sizeof stack;
    callee.uc_link = &caller;
    makecontext(&callee, function, 0);
    if (swapcontext(&caller, &callee) != 0) {
        exit(HARNESS_NO_STACK);
    }
    while (unused < sizeof stack && stack[unused] == 0xC5) {
        unused++;
    }
    return (uint32_t)(sizeof stack - unused);
}
#endif

#ifdef HARNESS_CHECKS
int harness_guarded(void)
{
    const uint8_t *after = block + GUARD_BYTES + CONSTANT(_ARENA_BYTES);
    uint32_t i;

    for (i = 0; i < GUARD_BYTES; i++) {
        if (block[i] != GUARD || after[i] != GUARD) {
            return 0;
        }
    }
    return 1;
}
#endif

int main(void)
{
    block = malloc(CONSTANT(_ARENA_BYTES) + 2u * GUARD_BYTES);
    if (block == NULL) {
        return HARNESS_TOO_LARGE;
    }
#ifdef GUARDED
    memset(block, GUARD, CONSTANT(_ARENA_BYTES) + 2u * GUARD_BYTES);
#endif
    harness_run(block + GUARD_BYTES);
    free(parts[0]);
    free(parts[1]);
    free(block);
    return 0;
}
