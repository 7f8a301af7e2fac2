/* What the protocol needs of the place it runs in: a process (host.c) or a bare core (device.c). */
#ifndef HARNESS_H
#define HARNESS_H

#include <stddef.h>
#include <stdint.h>

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define NAME(rest) PASTE(HARNESS_PREFIX, rest)
#define CONSTANT(rest) PASTE(HARNESS_UPPER, rest)

enum harness_failure {
    HARNESS_WRITE_FAILED = 3,
    HARNESS_BAD_REQUEST = 4,
    HARNESS_NO_STACK = 5,
    HARNESS_TOO_LARGE = 6,
    HARNESS_BAD_WEIGHTS = 7,
    HARNESS_FAULT = 99
};

/* Answers every request; harness.c. */
void harness_run(void *arena);

/* 1, or 0 at the end of the requests. */
int harness_get(void *data, size_t bytes);
void harness_put(const void *data, size_t bytes);
void harness_flush(void);
void harness_stop(int code);
/* Room for one text of a request; `which` is 0 or 1. */
uint8_t *harness_part(int which, size_t bytes);
/* Whether what lies around the arena is untouched. */
int harness_guarded(void);
/* Bytes of stack that a call of `function` uses, including what it takes to measure. */
uint32_t harness_stack(void (*function)(void));
/* A counter that grows with every instruction. */
uint32_t harness_ticks(void);

#endif
