/* SPDX-License-Identifier: MIT */
/* cppcheck.h – macros of libraries, as cppcheck needs to see them. */
#include <sys/queue.h>
#define cJSON_ArrayForEach(e, a) for (e = (a)->child; e; e = e->next)
