/* The command: text in, masked text out.
 *
 * Reads the first object below /objects if the run was given one, else standard input. */
#include "redact.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES_MAX = 1024, DEPTH_MAX = 16 };

static int write_out(void *to, const void *bytes, size_t size)
{
    return fwrite(bytes, 1, size, to) != size;
}

/* Copies the smallest name in the folder `path` behind it; 0 if the folder is empty or none. */
static int descend(char *path)
{
    DIR *folder = opendir(path);
    size_t end = strlen(path);
    int found = 0;

    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;

        if (!strcmp(name, ".") || !strcmp(name, "..") || end + strlen(name) + 2 > PATH_BYTES_MAX)
            continue;
        if (!found || strcmp(name, path + end + 1) < 0) {
            path[end] = '/';
            strcpy(path + end + 1, name);
            found = 1;
        }
    }
    closedir(folder);
    return found;
}

/* Opens the first object in the order of names, or standard input where there is none. */
static FILE *open_input(void)
{
    char path[PATH_BYTES_MAX] = "/objects";

    for (int depth = 0; depth < DEPTH_MAX && descend(path); depth++) {
        struct stat about;

        if (stat(path, &about))
            return NULL;
        if (S_ISREG(about.st_mode))
            return fopen(path, "rb");
    }
    return stdin;
}

int main(void)
{
    static redact stream;
    static unsigned char chunk[16384];
    FILE *input = open_input();

    if (!input) {
        fputs("the object cannot be read\n", stderr);
        return EXIT_FAILURE;
    }
    redact_begin(&stream, write_out, stdout);
    for (size_t size; (size = fread(chunk, 1, sizeof chunk, input)) > 0;)
        if (redact_feed(&stream, chunk, size))
            break;
    if (ferror(input) || redact_end(&stream) || fflush(stdout) || ferror(stdout)) {
        fputs("the text was not masked to its end\n", stderr);
        return EXIT_FAILURE;
    }
    memset(chunk, 0, sizeof chunk);
    return EXIT_SUCCESS;
}
