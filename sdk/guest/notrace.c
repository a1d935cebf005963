/* The canonical ABI of the component model, for one world, by hand.
 *
 * Source: the component model's CanonicalABI.md, sections "Flattening" and "Lifting". Whatever
 * does not fit one core value is returned through a pointer to memory that the caller owns: first
 * the discriminant, one byte, then the payload at the payload's own alignment. */
#include "notrace.h"

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))
#define OBJECTS "notrace:task/objects@0.1.0"
#define CALL "notrace:task/call@0.1.0"

typedef struct {
    uint8_t failed;
    union {
        notrace_bytes value;
        uint8_t error;
    } payload;
} bytes_or_error;

typedef struct {
    uint8_t failed;
    uint8_t error;
} done_or_error;

_Static_assert(sizeof(void *) == 4 && sizeof(notrace_bytes) == 8, "the ABI is that of wasm32");
_Static_assert(offsetof(bytes_or_error, payload) == 4, "a pointer stands at its own alignment");
_Static_assert(sizeof(done_or_error) == 2, "two bytes and no padding");

IMPORT(OBJECTS, "get") void objects_get(const uint8_t *, size_t, bytes_or_error *);
IMPORT(OBJECTS, "list") void objects_list(const uint8_t *, size_t, notrace_list *);
IMPORT(OBJECTS, "put")
void objects_put(const uint8_t *, size_t, const uint8_t *, size_t, done_or_error *);
IMPORT(OBJECTS, "delete") void objects_delete(const uint8_t *, size_t, done_or_error *);
IMPORT(CALL, "args") void call_args(notrace_list *);

/* Where memory that nobody uses begins; the linker knows. */
extern unsigned char __heap_base;

enum { PAGE_BYTES = 65536, ALIGNMENT = 16 };

void *notrace_allocate(size_t size)
{
    static uintptr_t next;
    uintptr_t base = ((uintptr_t)&__heap_base + ALIGNMENT - 1) & -(uintptr_t)ALIGNMENT;
    uintptr_t begin = next ? next : base;
    uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;

    if (size > SIZE_MAX - begin - 2 * PAGE_BYTES)
        __builtin_trap();
    next = (begin + size + ALIGNMENT - 1) & -(uintptr_t)ALIGNMENT;
    if (next > have) {
        size_t pages = (next - have + PAGE_BYTES - 1) / PAGE_BYTES;

        if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX)
            __builtin_trap();
    }
    return (void *)begin;
}

/* The host asks for memory with this before it hands a list or a string over. It only ever asks
 * for new memory: nothing in this world is handed over in parts. */
EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size)
{
    (void)align;
    if (old || old_size)
        __builtin_trap();
    return notrace_allocate(size);
}

EXPORT("run") const bytes_or_error *run(const uint8_t *at, size_t size)
{
    static bytes_or_error returned;

    returned.failed = !notrace_run((notrace_bytes){at, size}, &returned.payload.value);
    return &returned;
}

static notrace_outcome outcome(done_or_error returned)
{
    return returned.failed ? (notrace_outcome)returned.error : NOTRACE_DONE;
}

notrace_outcome notrace_objects_get(notrace_bytes name, notrace_bytes *value)
{
    bytes_or_error returned;

    objects_get(name.at, name.size, &returned);
    if (returned.failed)
        return (notrace_outcome)returned.payload.error;
    *value = returned.payload.value;
    return NOTRACE_DONE;
}

notrace_list notrace_objects_list(notrace_bytes prefix)
{
    notrace_list returned;

    objects_list(prefix.at, prefix.size, &returned);
    return returned;
}

notrace_outcome notrace_objects_put(notrace_bytes name, notrace_bytes value)
{
    done_or_error returned;

    objects_put(name.at, name.size, value.at, value.size, &returned);
    return outcome(returned);
}

notrace_outcome notrace_objects_delete(notrace_bytes name)
{
    done_or_error returned;

    objects_delete(name.at, name.size, &returned);
    return outcome(returned);
}

notrace_list notrace_call_args(void)
{
    notrace_list returned;

    call_args(&returned);
    return returned;
}
