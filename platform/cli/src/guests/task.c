/* NAME: answers its input in capitals, and says how large the objects were that it was given.
 *
 * A task runs once, alone, and its memory goes with it. It sees its input, its arguments and the
 * objects that the caller named, and nothing else. */
#include "notrace.h"

static uint8_t *append(uint8_t *to, notrace_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        *to++ = bytes.at[i];
    return to;
}

static uint8_t *append_number(uint8_t *to, size_t number)
{
    uint8_t digits[20];
    size_t count = 0;

    do
        digits[count++] = '0' + number % 10;
    while ((number /= 10));
    while (count)
        *to++ = digits[--count];
    return to;
}

bool notrace_run(notrace_bytes input, notrace_bytes *result)
{
    notrace_list names = notrace_objects_list(NOTRACE_TEXT(""));
    size_t room = input.size;

    for (size_t i = 0; i < names.count; i++)
        room += names.at[i].size + 32;

    uint8_t *answer = notrace_allocate(room), *end = answer;

    for (size_t i = 0; i < input.size; i++) {
        uint8_t byte = input.at[i];

        *end++ = byte >= 'a' && byte <= 'z' ? byte - 32 : byte;
    }
    for (size_t i = 0; i < names.count; i++) {
        notrace_bytes value;

        if (notrace_objects_get(names.at[i], &value) != NOTRACE_DONE) {
            *result = NOTRACE_TEXT("an object could not be read");
            return false;
        }
        end = append(end, names.at[i]);
        end = append(end, NOTRACE_TEXT(": "));
        end = append_number(end, value.size);
        end = append(end, NOTRACE_TEXT(" bytes\n"));
    }
    *result = (notrace_bytes){answer, (size_t)(end - answer)};
    return true;
}
