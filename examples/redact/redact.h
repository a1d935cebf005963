/* Masks what identifies people in a stream of UTF-8 text.
 *
 * Addresses become [email], telephone numbers [phone] and payment card numbers [card]: a mask says
 * what stood there and nothing more, not even how long it was. When in doubt something is masked,
 * because a masked order number is a nuisance and a card number let through is a leak.
 *
 * Memory is bounded: whether a byte is part of something to mask depends on at most
 * REDACT_AHEAD bytes after it, so that much is held back and no more. */
#ifndef REDACT_H
#define REDACT_H

#include <stddef.h>
#include <stdint.h>

enum {
    REDACT_AHEAD = 512,  /* longer than the longest address (254) and the longest number (96) */
    REDACT_HELD = 4096,
};

/* Takes `size` bytes of masked text; returns 0, or anything else to stop the stream. */
typedef int redact_write(void *to, const void *bytes, size_t size);

typedef struct {
    redact_write *write;
    void *to;
    uint32_t before; /* the code point that stands before held[0]; 0 at the start */
    size_t count;
    unsigned char held[REDACT_HELD];
} redact;

void redact_begin(redact *stream, redact_write *write, void *to);

/* Both return 0, or -1 once `write` has refused. Text may be cut anywhere between two calls,
 * also inside a character. */
int redact_feed(redact *stream, const void *text, size_t size);
int redact_end(redact *stream);

#endif
