/* SPDX-License-Identifier: MIT */
/*
 * keeper_order.c – does what the supervisor orders.
 *
 * Invariant: whatever a supervisor says, nothing is done to a process that is
 * no child in the table, and no text of its goes further than one line.
 */
#include "supervisor/keeper_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/keeper_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	UNHELD_MS = 60000, /* an alarm at most so often */
};

static void
on_spawn(const struct keeper_message *order)
{
	struct keeper_message answer = {
	    .op = KEEPER_SPAWN_FAILED,
	    .seq = order->seq,
	    .role = order->role,
	};
	struct keeper_child *child = NULL;
	int ret = -EINVAL;

	if (keeper.supervisor->pid == 0)
		return; /* the last words of a dead one */
	if (order->role == PROC_ROLE_CALLWORKER ||
	    order->role == PROC_ROLE_TOOLWORKER)
		ret = keeper_children_spawn(&keeper.children,
		    (enum proc_role)order->role, keeper.config.config_file,
		    keeper.config.secrets[order->role], &child);
	if (ret < 0 || child == NULL) {
		answer.value = -ret;
		keeper_tell(keeper.supervisor, &answer, -1);
		return;
	}
	answer.op = KEEPER_SPAWNED;
	answer.child = child->number;
	answer.pid = child->pid;
	keeper_tell(
	    keeper.supervisor, &answer, child->held[KEEPER_HELD_CHANNEL]);
}

/* The call goes on, but not with another supervisor. */
static void
cannot_hold(const struct keeper_message *order)
{
	uint64_t now_ms = clock_now_ms();

	if (keeper.unheld_ms != 0 && now_ms - keeper.unheld_ms < UNHELD_MS)
		return;
	keeper.unheld_ms = now_ms;
	log_err("alarm=descriptors the keeper has none left for what it should "
		"hold, see LimitNOFILE child=%u",
	    order->child);
}

static void
on_hold(const struct keeper_message *order, int *fd)
{
	struct keeper_child *child =
	    keeper_children_find(&keeper.children, order->child);

	if (*fd < 0) {
		cannot_hold(order);
		return;
	}
	if (child == NULL || order->held >= KEEPER_HELD_COUNT) {
		log_warn("order to hold a descriptor makes no sense child=%u",
		    order->child);
		return;
	}
	keeper_child_hold(child, (enum keeper_held)order->held, fd);
	memcpy(child->text, order->text, sizeof(child->text));
	child->text[sizeof(child->text) - 1] = '\0';
}

static void
on_status(const struct keeper_message *order)
{
	char text[KEEPER_TEXT_MAX + 16];

	snprintf(text, sizeof(text), "STATUS=%.*s", KEEPER_TEXT_MAX - 1,
	    order->text);
	/* A second line would be another word to systemd: MAINPID=, … */
	for (char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20)
			*at = ' ';
	}
	keeper_notify(text);
}

/* A name of the system's, not a file of somebody's (tzset(3)). */
static void
on_timezone(const struct keeper_message *order)
{
	if (order->text[0] == '/' || order->text[0] == ':' ||
	    strstr(order->text, "..") != NULL)
		return;
	setenv("TZ", order->text, 1);
	tzset();
}

static int
dup_binary(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void
on_ready(void)
{
	struct keeper_supervisor *supervisor = keeper.supervisor;

	if (!keeper.ready_once)
		keeper_notify("READY=1");
	keeper.ready_once = supervisor->ready = true;
	keeper.failures = 0;
	keeper_binary_close(&keeper.good);
	keeper.good = supervisor->binary;
	keeper.good.fd = dup_binary(supervisor->binary.fd);
	keeper_reload_end();
}

void
keeper_begin_to_stop(void)
{
	keeper.stop_signal = SIGTERM;
	keeper_notify("STOPPING=1");
	/* Unless it has the name already: then it is told instead. */
	if (keeper.standby_step < KEEPER_STANDBY_CONNECTING)
		keeper_standby_stop("the service is stopping");
}

static void
on_order(const struct keeper_message *order, int *fd)
{
	struct keeper_child *child;

	switch ((enum keeper_op)order->op) {
	case KEEPER_SPAWN:
		on_spawn(order);
		return;
	case KEEPER_KILL:
		child = keeper_children_find(&keeper.children, order->child);
		if (child != NULL && child->pid != 0)
			kill(child->pid, order->value);
		return;
	case KEEPER_HOLD:
		on_hold(order, fd);
		return;
	case KEEPER_RELEASE:
		child = keeper_children_find(&keeper.children, order->child);
		if (child != NULL)
			keeper_children_release(&keeper.children, child);
		return;
	case KEEPER_STATUS:
		on_status(order);
		return;
	case KEEPER_READY:
		on_ready();
		return;
	case KEEPER_ALIVE:
		return; /* that it was read is enough */
	case KEEPER_TIMEZONE:
		on_timezone(order);
		return;
	case KEEPER_STOPPING:
		if (keeper.stop_signal == 0)
			keeper_begin_to_stop();
		return;
	case KEEPER_LOG:
		if (*fd >= 0 && log_to_fd(*fd) < 0)
			log_warn("log file cannot be used error=%s",
			    strerror(errno));
		return;
	case KEEPER_RELOADED:
		keeper_reload_settings(order->value);
		return;
	case KEEPER_YIELDING:
	case KEEPER_YIELD_FAILED:
		keeper_standby_order(
		    keeper.supervisor, (enum keeper_op)order->op);
		return;
	case KEEPER_PREPARED:
		return; /* it had to take over before it could say so */
	case KEEPER_SPAWNED:
	case KEEPER_SPAWN_FAILED:
	case KEEPER_EXITED:
	case KEEPER_HELD:
	case KEEPER_TABLE_END:
	case KEEPER_SIGNAL:
	case KEEPER_YIELD:
	case KEEPER_STAY:
	case KEEPER_CONNECT:
		break;
	}
	log_warn("unknown order from the supervisor op=%u", order->op);
}

/* All that one that stands by may say before it has taken over. */
static void
on_standby_order(const struct keeper_message *order)
{
	if (order->op == KEEPER_PREPARED)
		keeper_standby_order(keeper.standby, KEEPER_PREPARED);
	else if (order->op != KEEPER_ALIVE)
		log_warn(
		    "order of a supervisor that stands by op=%u", order->op);
}

void
keeper_read_orders(struct keeper_supervisor *supervisor)
{
	struct keeper_message order;

	for (;;) {
		int fd = -1;
		int got = keeper_link_receive(supervisor->channel, &order, &fd);

		if (got == 0)
			return;
		if (got < 0) {
			if (got != -EPIPE)
				keeper_channel_wrote(supervisor, got);
			keeper_channel_close(supervisor);
			return;
		}
		supervisor->heard_ms = clock_now_ms();
		if (supervisor == keeper.supervisor)
			on_order(&order, &fd);
		else
			on_standby_order(&order);
		if (fd >= 0)
			close(fd);
		if (supervisor->channel < 0)
			return;
	}
}
