/* SPDX-License-Identifier: MIT */
/*
 * keeper_protocol.h – what keeper and supervisor say to each other.
 *
 * One fixed-width struct per datagram, since the keeper parses nothing. A
 * child has a number that is never used twice while the keeper lives. The
 * keeper holds a duplicate of each descriptor that must outlive a process
 * (enum keeper_held); a new supervisor gets them all as KEEPER_HELD, then
 * KEEPER_TABLE_END, before anything else. An upgrade makes two builds of this
 * talk: a number keeps its meaning, new ones are added at the end of their
 * list, and who does not know one logs it.
 *
 * A supervisor is replaced by one that stands by (supervisor/handover.h):
 *
 *   keeper             old                        new
 *   starts the new one                            reads its settings
 *   ◀────────────────────────────────── PREPARED
 *   YIELD ───────────▶ until no call is half made
 *   ◀──────── YIELDING goes on as ever
 *   CONNECT ────────────────────────────────────▶ takes the application's
 *                      ApplicationReplaced ◀····· name in Asterisk; keeps
 *                      no event comes any more    all events for later
 *                      last answers, exit
 *   HELD …, TABLE_END ──────────────────────────▶ lists, then the events
 */
#ifndef SUPERVISOR_KEEPER_PROTOCOL_H
#define SUPERVISOR_KEEPER_PROTOCOL_H

#include <stdint.h>

enum keeper_op {
	/* supervisor to keeper */
	KEEPER_SPAWN = 1, /* seq, role: fork and exec one */
	KEEPER_KILL,      /* child, value = signal */
	KEEPER_HOLD,      /* child, held, text = call, one descriptor */
	KEEPER_RELEASE,   /* child: close all that is held for it */
	KEEPER_STATUS,    /* text: one line for systemd and the title */
	KEEPER_READY,     /* the service takes calls (sd_notify READY=1) */
	KEEPER_TIMEZONE,  /* text: TIMEZONE, so that all logs have one clock */
	KEEPER_ALIVE,     /* every second: the supervisor does not hang */
	KEEPER_STOPPING,  /* told to end: exit when the supervisor has */
	KEEPER_RELOADED,  /* SIGHUP was done; value = enum keeper_reloaded */
	KEEPER_PREPARED,  /* the one that stands by could take over */
	KEEPER_YIELDING,  /* may be replaced: let the other one connect */
	KEEPER_YIELD_FAILED, /* the other one did not: stays */
	KEEPER_LOG,          /* descriptor: the file of LOG_FILE_PATH */

	/* keeper to supervisor */
	KEEPER_SPAWNED = 64, /* seq, child, pid, role; descriptor: channel */
	KEEPER_SPAWN_FAILED, /* seq, role, value = errno */
	KEEPER_EXITED,       /* child, pid, role, value = wait status, usage */
	KEEPER_HELD,         /* child, pid (0: dead), role, held, text, fd */
	KEEPER_TABLE_END,    /* value = how many KEEPER_HELD came before */
	KEEPER_SIGNAL,       /* value = signal that the service was sent */
	KEEPER_YIELD,        /* another one stands by: finish and exit */
	KEEPER_STAY,         /* it does not, after all */
	KEEPER_CONNECT,      /* to the one that stands by: to Asterisk */
};

/* Whether another supervisor may take over now. */
enum keeper_reloaded {
	KEEPER_RELOADED_ALL,
	KEEPER_RELOADED_NOTHING, /* the settings have errors */
	KEEPER_RELOADED_PART,    /* some would harm the calls there are */
	KEEPER_RELOADED_OUTSIDE, /* only another process can follow them */
};

enum keeper_held {
	KEEPER_HELD_CHANNEL, /* the supervisor's end of a worker's channel */
	KEEPER_HELD_RTP,
	KEEPER_HELD_JOURNAL,
	KEEPER_HELD_PLAYOUT,
	KEEPER_HELD_BRIEF,
	KEEPER_HELD_UPLINK,
	KEEPER_HELD_COUNT
};

enum {
	KEEPER_TEXT_MAX = 160, /* an Asterisk channel id has at most 149 */
	KEEPER_CHILDREN_MAX = 4096,
	KEEPER_MEMORY_SIZE = 1 << 20, /* bytes of PROC_FD_MEMORY */
	/* … of them at the end tool_holds.h's, the others access.h's */
	KEEPER_MEMORY_HOLDS = 1 << 16,
};

struct keeper_message {
	uint32_t op;  /* enum keeper_op */
	uint32_t seq; /* of the KEEPER_SPAWN that is answered */
	uint32_t child;
	uint32_t role; /* enum proc_role */
	uint32_t held; /* enum keeper_held */
	int32_t pid;
	int32_t value;
	uint32_t padding;
	uint64_t user_us; /* processor time, for KEEPER_EXITED */
	uint64_t system_us;
	uint64_t max_rss_kib;
	char text[KEEPER_TEXT_MAX]; /* NUL-terminated */
};

_Static_assert(sizeof(struct keeper_message) == 216, "layout is the protocol");

#endif
