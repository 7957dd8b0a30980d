/* SPDX-License-Identifier: MIT */
/*
 * keeper_wall.h – the wall of the whole service: children only add to it.
 *
 * It does not keep programs from somebody who already runs code of his own in
 * the keeper, which hears the supervisor's fixed structs only: the dynamic
 * loader, without which no role's program starts, loads any file as well. What
 * it loads is behind this wall and can do no more than that code could. From
 * the other roles execve(2) is taken altogether.
 */
#ifndef SUPERVISOR_KEEPER_WALL_H
#define SUPERVISOR_KEEPER_WALL_H

/*
 * Enters; after spawn_find_binaries(). No setting is read here, so that
 * SANDBOX must be in the environment to change it. A program that the keeper
 * becomes by exec is behind it already. 0, or -errno, logged.
 */
int keeper_wall_enter(void);

/*
 * No core dump, and no /proc/PID/fd for others of our own user: the memory of
 * calls is there, and secrets may be. TELEFONISTA_DUMPABLE=1 in the
 * environment leaves it open, for debuggers and leak checkers.
 */
void keeper_wall_hide_memory(void);

#endif
