/* The world `notrace:task/task` for C: the names are those of sdk/wit/task.wit.
 *
 * A task defines `notrace_run` and calls what it needs. It is compiled together with notrace.c,
 * for wasm32 and without a C library. A task runs once and its memory goes with it, so nothing
 * here is ever freed; a task that runs out of memory traps. */
#ifndef NOTRACE_H
#define NOTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list<u8>, or a string, which is UTF-8 and has no zero byte at its end. */
typedef struct {
    const uint8_t *at;
    size_t size;
} notrace_bytes;

typedef struct {
    const notrace_bytes *at;
    size_t count;
} notrace_list;

/* Why an object was not read or changed. */
typedef enum {
    NOTRACE_DONE = -1,
    NOTRACE_UNKNOWN = 0,
    NOTRACE_NOT_GRANTED = 1,
    NOTRACE_TOO_LARGE = 2,
} notrace_outcome;

/* The task itself. Returns true with an answer, or false with a sentence that says what was wrong,
 * for the caller alone. What `result` points to must outlive the call; static and allocated
 * memory does. */
bool notrace_run(notrace_bytes input, notrace_bytes *result);

/* The object's whole value. */
notrace_outcome notrace_objects_get(notrace_bytes name, notrace_bytes *value);

/* The names of all granted objects that start with `prefix`, in the order of their bytes. */
notrace_list notrace_objects_list(notrace_bytes prefix);

/* Puts a value, or a deletion, into the run's writes. */
notrace_outcome notrace_objects_put(notrace_bytes name, notrace_bytes value);
notrace_outcome notrace_objects_delete(notrace_bytes name);

/* The arguments of this run, in order, without a program's name before them. */
notrace_list notrace_call_args(void);

/* Memory of `size` bytes, filled with zeros, aligned for anything. Never NULL. */
void *notrace_allocate(size_t size);

/* The text of a literal, without its zero byte. */
#define NOTRACE_TEXT(literal) ((notrace_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

#endif
