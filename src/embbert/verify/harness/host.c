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

int main(void)
{
    void *arena = malloc(CONSTANT(_ARENA_BYTES));

    if (arena == NULL) {
        return HARNESS_TOO_LARGE;
    }
    harness_run(arena);
    free(parts[0]);
    free(parts[1]);
    free(arena);
    return 0;
}
