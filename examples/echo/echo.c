/* Answers its input. What is left when a task does nothing is the cost of running one. */
#include "notrace.h"

bool notrace_run(notrace_bytes input, notrace_bytes *result)
{
    *result = input;
    return true;
}
