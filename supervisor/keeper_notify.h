/* SPDX-License-Identifier: MIT */
/* keeper_notify.h – sd_notify(3) without the library. */
#ifndef SUPERVISOR_KEEPER_NOTIFY_H
#define SUPERVISOR_KEEPER_NOTIFY_H

/* TEXT is "READY=1" or the like. Nothing happens where systemd is not. */
void keeper_notify(const char *text);

#endif
