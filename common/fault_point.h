/* SPDX-License-Identifier: MIT */
/*
 * fault_point.h – lines at which a test may let a process die.
 *
 * In what is shipped these are nothing. tests/faults builds the roles a second
 * time with TELEFONISTA_FAULT_POINTS (`make faults`): there a process that
 * reaches the line whose name the test has armed aborts, and the wall clock
 * steps when the test says so. Both are read from a page of memory that the
 * test shares with all processes, mapped before main(): a fault point makes no
 * system call, so that it stands behind every wall.
 */
#ifndef COMMON_FAULT_POINT_H
#define COMMON_FAULT_POINT_H

#ifdef TELEFONISTA_FAULT_POINTS

/* The environment's variable that names the page's file. */
#define FAULT_PAGE_VARIABLE "TELEFONISTA_FAULT_PAGE"
/* Bytes of it, in this order, in the machine's byte order: */
#define FAULT_PAGE_SIZE     4096
#define FAULT_NAME_SIZE     48 /* what is armed, NUL-terminated */
/* uint32_t: how often it is armed, counted down; int32_t: the clock's step */

void fault_point_reached(const char *name);
/* Seconds by which the wall clock has been stepped. */
long fault_point_clock_step_s(void);

#define FAULT_POINT(name)    fault_point_reached(name)
#define FAULT_CLOCK_STEP_S() fault_point_clock_step_s()

#else

#define FAULT_POINT(name)    ((void)0)
#define FAULT_CLOCK_STEP_S() 0L

#endif
#endif
