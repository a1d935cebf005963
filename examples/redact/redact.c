#include "redact.h"

#include <string.h>

/* Source: RFC 5321 section 4.5.3.1 (address parts), RFC 1035 section 2.3.4 (labels). */
enum { LOCAL_MAX = 64, LABEL_MAX = 63, DOMAIN_MAX = 190 };

/* Source: ISO/IEC 7812-1 (13 to 19 digits are in use), ITU-T E.164 (at most 15). */
enum { CARD_MIN = 13, CARD_MAX = 19, PHONE_MIN = 7, PHONE_MAX = 15 };

enum { GROUPS_MAX = 12, DIGITS_MAX = 32, NUMBER_BYTES_MAX = 96 };

typedef struct {
    const unsigned char *bytes;
    size_t size;
} text;

/* ---- characters ---------------------------------------------------------------------------- */

/* The code point at `at` and its length. A byte that begins no character counts as itself, so
 * that malformed text passes through unchanged. */
static uint32_t decode(text in, size_t at, size_t *length)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t first = in.bytes[at];
    size_t want = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
    uint32_t point = want == 1 ? first : first & (0xFFu >> (want + 1));

    *length = 1;
    if (want > in.size - at)
        return first;
    for (size_t i = 1; i < want; i++) {
        if ((in.bytes[at + i] & 0xC0) != 0x80)
            return first;
        point = point << 6 | (in.bytes[at + i] & 0x3F);
    }
    if (point < least[want])
        return first;
    *length = want;
    return point;
}

static int is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    /* Beyond ASCII all is taken for a letter but punctuation: quotes, dashes and odd spaces. */
    return c >= 0xC0 && c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c <= 0x206F) &&
           !(c >= 0x3000 && c <= 0x303F) && !(c >= 0xFF00 && c <= 0xFF20) && c != 0xFEFF;
}

/* The value of a decimal digit in the scripts that telephone keypads have, or -1. */
static int digit(uint32_t c)
{
    static const uint32_t zeros[] = {'0', 0x0660, 0x06F0, 0x0966, 0xFF10};

    for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
        if (c >= zeros[i] && c <= zeros[i] + 9)
            return (int)(c - zeros[i]);
    return -1;
}

static int is_word(uint32_t c)
{
    return is_letter(c) || digit(c) >= 0;
}

static int is_space(uint32_t c)
{
    return c == ' ' || c == 0xA0 || c == 0x2009 || c == 0x202F;
}

static int is_dash(uint32_t c)
{
    return c == '-' || (c >= 0x2010 && c <= 0x2014);
}

static int is_separator(uint32_t c)
{
    return is_space(c) || is_dash(c) || c == '.' || c == '/' || c == '(' || c == ')';
}

/* ---- addresses ----------------------------------------------------------------------------- */

/* The length of a domain with at least one dot and a last label that is no number, or 0. */
static size_t domain(text in, size_t at)
{
    size_t begin = at, end = 0;
    int labels = 0;

    while (at < in.size) {
        size_t label = at, length = 0;
        int letters = 0;
        uint32_t c = 0;

        for (; at < in.size; at += length) {
            c = decode(in, at, &length);
            if (!is_word(c) && c != '-')
                break;
            letters += is_letter(c);
        }
        if (at == label || at - label > LABEL_MAX || at - begin > DOMAIN_MAX)
            break;
        labels++;
        if (labels > 1 && letters > 1)
            end = at;
        if (at >= in.size || c != '.')
            break;
        at++;
    }
    return end ? end - begin : 0;
}

/* The length of the address that begins at `at`, or 0. */
static size_t address(text in, size_t at)
{
    static const char signs[] = "!#$%&'*+-/=?^_`{|}~.";
    size_t begin = at, length = 0, host;

    while (at < in.size && at - begin <= LOCAL_MAX) {
        uint32_t c = decode(in, at, &length);

        if (c == '@')
            break;
        if (!is_word(c) && !(c > 0 && c < 0x80 && strchr(signs, (int)c)))
            return 0;
        at += length;
    }
    if (at == begin || at >= in.size || in.bytes[at] != '@')
        return 0;
    host = domain(in, at + 1);
    return host ? at + 1 + host - begin : 0;
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* Groups of digits with signs between them: `(202) 555-0123` has the groups 3, 3, 4. */
typedef struct {
    int plus, open, bracket, dashed; /* `bracket`: a group stands in brackets before others */
    size_t groups;
    size_t digits[GROUPS_MAX]; /* how many digits up to and including this group */
    size_t end[GROUPS_MAX];    /* where this group ends, counted from the number's beginning */
    signed char value[DIGITS_MAX];
} number;

/* Reads the longest number that begins at `at`. */
static number read_number(text in, size_t at)
{
    number n = {0};
    size_t begin = at, count = 0, length = 0, signs = 0;
    int within = 0, closed = 0;

    for (; at < in.size && at - begin < NUMBER_BYTES_MAX; at += length) {
        uint32_t c = decode(in, at, &length);
        int value = digit(c);

        if (value >= 0) {
            if (count == DIGITS_MAX || (!within && n.groups == GROUPS_MAX))
                break;
            n.groups += !within;
            n.value[count++] = (signed char)value;
            n.digits[n.groups - 1] = count;
            n.end[n.groups - 1] = at + length - begin;
            n.bracket |= closed;
            within = 1;
            signs = 0;
        } else if (at == begin && c == '+') {
            n.plus = 1;
        } else if (is_separator(c) && signs < 3) {
            n.open |= at == begin;
            closed |= c == ')';
            n.dashed |= is_dash(c);
            within = 0;
            signs++;
        } else {
            break;
        }
    }
    return n;
}

/* Source: ISO/IEC 7812-1, annex B. */
static int luhn(const number *n, size_t digits)
{
    int sum = 0;

    for (size_t i = 0; i < digits; i++) {
        int value = n->value[digits - 1 - i] << (i % 2);
        sum += value > 9 ? value - 9 : value;
    }
    return sum % 10 == 0;
}

static int is_card(const number *n, size_t groups)
{
    size_t digits = n->digits[groups - 1];

    return digits >= CARD_MIN && digits <= CARD_MAX && !n->open &&
           (!n->plus || digits > PHONE_MAX) && n->value[0] >= 2 && n->value[0] <= 6 &&
           luhn(n, digits);
}

static size_t group(const number *n, size_t i)
{
    return n->digits[i] - (i ? n->digits[i - 1] : 0);
}

/* Area, exchange and line as they are written in North America, after an optional country. */
static int is_three_three_four(const number *n, size_t groups)
{
    size_t first = groups == 4 && group(n, 0) == 1;

    return groups - first == 3 && group(n, first) == 3 && group(n, first + 1) == 3 &&
           group(n, first + 2) == 4;
}

static int is_phone(const number *n, size_t groups)
{
    size_t digits = n->digits[groups - 1];
    const signed char *v = n->value;

    if (digits < PHONE_MIN || digits > PHONE_MAX)
        return 0;
    if (n->open && !n->bracket)
        return 0;
    if (n->plus || n->bracket || (digits > 8 && v[0] == 0 && v[1] == 0))
        return 1;
    if (is_three_three_four(n, groups))
        return 1;
    if (groups == 2 && n->dashed && group(n, 0) == 3 && group(n, 1) == 4)
        return 1;
    if (v[0] == 0)
        return digits >= 9 && digits <= 12;
    if (groups > 1)
        return 0;
    return (digits == 10 && v[0] >= 2 && v[3] >= 2) || (digits == 11 && v[0] == 1 && v[1] >= 2);
}

/* The length of the number to mask at `at` and its mask, or 0. The longest number wins; a card
 * before a telephone, since cards are worth more to a thief, and with all digits that follow it:
 * the month it expires, or the end of a card whose beginning only looked like one. */
static size_t numeral(text in, size_t at, int after_letter, const char **mask)
{
    number n = read_number(in, at);

    *mask = "[card]";
    for (size_t groups = n.groups; groups > 0; groups--)
        if (is_card(&n, groups))
            return n.end[n.groups - 1];
    *mask = "[phone]";
    for (size_t groups = after_letter ? 0 : n.groups; groups > 0; groups--)
        if (is_phone(&n, groups))
            return n.end[groups - 1];
    return 0;
}

/* ---- the stream ---------------------------------------------------------------------------- */

/* The length of what is to be masked at `at`, and its mask, or 0. */
static size_t find(text in, size_t at, uint32_t before, const char **mask)
{
    size_t length = 0;
    uint32_t c = decode(in, at, &length);

    if (is_word(c) || c == '_' || c == '+') {
        size_t found = address(in, at);
        *mask = "[email]";
        if (found)
            return found;
    }
    if ((digit(c) >= 0 && digit(before) < 0) || c == '+' || c == '(')
        return numeral(in, at, is_letter(before), mask);
    return 0;
}

/* Writes what can be decided, which is all but the last `keep` bytes. */
static int drain(redact *stream, size_t keep)
{
    text in = {stream->held, stream->count};
    size_t at = 0, plain = 0;

    while (at + keep < in.size) {
        const char *mask = NULL;
        size_t length = 0, found = find(in, at, stream->before, &mask);

        stream->before = decode(in, at, &length);
        if (!found) {
            at += length;
            continue;
        }
        if (stream->write(stream->to, in.bytes + plain, at - plain) ||
            stream->write(stream->to, mask, strlen(mask)))
            return -1;
        at += found;
        plain = at;
        stream->before = ']';
    }
    if (stream->write(stream->to, in.bytes + plain, at - plain))
        return -1;
    stream->count -= at;
    memmove(stream->held, stream->held + at, stream->count);
    return 0;
}

void redact_begin(redact *stream, redact_write *write, void *to)
{
    memset(stream, 0, sizeof *stream);
    stream->write = write;
    stream->to = to;
}

int redact_feed(redact *stream, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;

    while (size > 0) {
        size_t room = REDACT_HELD - stream->count, taken = size < room ? size : room;

        memcpy(stream->held + stream->count, from, taken);
        stream->count += taken;
        from += taken;
        size -= taken;
        if (stream->count == REDACT_HELD && drain(stream, REDACT_AHEAD))
            return -1;
    }
    return 0;
}

int redact_end(redact *stream)
{
    int failed = drain(stream, 0);

    memset(stream, 0, sizeof *stream);
    return failed;
}
