/* Masks standard input whole, then again cut into pieces of every size, and fails unless all
 * agree. Writes the masked text. */
#include "redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *bytes;
    size_t size;
} masked;

static int append(void *to, const void *bytes, size_t size)
{
    masked *all = to;
    char *grown = realloc(all->bytes, all->size + size + 1);

    if (!grown)
        return -1;
    memcpy(grown + all->size, bytes, size);
    all->bytes = grown;
    all->size += size;
    return 0;
}

static masked mask(const char *bytes, size_t size, size_t piece)
{
    static redact stream;
    masked out = {NULL, 0};

    redact_begin(&stream, append, &out);
    for (size_t at = 0; at < size; at += piece)
        if (redact_feed(&stream, bytes + at, size - at < piece ? size - at : piece))
            exit(2);
    if (redact_end(&stream))
        exit(2);
    return out;
}

int main(void)
{
    static const size_t pieces[] = {1, 2, 3, 5, 64, 511, 512, 4095, 4096, 4097};
    masked in = {NULL, 0}, whole;
    static char chunk[4096];

    for (size_t size; (size = fread(chunk, 1, sizeof chunk, stdin)) > 0;)
        if (append(&in, chunk, size))
            return 2;
    whole = mask(in.bytes, in.size, in.size + 1);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        masked cut = mask(in.bytes, in.size, pieces[i]);

        if (cut.size != whole.size || (cut.size && memcmp(cut.bytes, whole.bytes, cut.size)))
            return 3;
        free(cut.bytes);
    }
    fwrite(whole.bytes, 1, whole.size, stdout);
    free(whole.bytes);
    free(in.bytes);
    return fflush(stdout) ? 2 : 0;
}
