/* SPDX-License-Identifier: MIT */
/*
 * keeper_reload.c – what SIGHUP does: settings are read again, and who is of
 * an old binary makes way for the new one.
 *
 * Invariant: between RELOADING=1 and READY=1 there is a time at which it ends
 * whatever the supervisors do.
 */
#include "supervisor/keeper_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/keeper_notify.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	RELOAD_MS = 60000,
};

/* -- binaries --------------------------------------------------------------- */

int
keeper_binary_open(struct keeper_binary *binary, const char *path)
{
	struct stat st;
	int ret;

	binary->fd = open(path, O_PATH | O_CLOEXEC);
	if (binary->fd < 0)
		return -errno;
	if (fstat(binary->fd, &st) < 0) {
		ret = -errno;
		keeper_binary_close(binary);
		return ret;
	}
	binary->device = st.st_dev;
	binary->inode = st.st_ino;
	binary->changed = st.st_mtim;
	return 0;
}

void
keeper_binary_close(struct keeper_binary *binary)
{
	if (binary->fd >= 0)
		close(binary->fd);
	binary->fd = -1;
}

bool
keeper_binary_same(const struct keeper_binary *a, const struct keeper_binary *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Whether the supervisor that works is of another binary than the one there. */
static bool
is_outdated(const struct keeper_supervisor *supervisor)
{
	struct keeper_binary binary = {.fd = -1};
	char path[SPAWN_PATH_SIZE];
	bool same;
	int ret;

	spawn_path(path, PROC_ROLE_SUPERVISOR);
	ret = keeper_binary_open(&binary, path);
	if (ret < 0) {
		log_err("alarm=upgrade the supervisor's binary cannot be "
			"found, the one that runs stays path=%s error=%s",
		    path, strerror(-ret));
		return false;
	}
	same = keeper_binary_same(&binary, &supervisor->binary);
	keeper_binary_close(&binary);
	return !same;
}

/* -- the steps ---------------------------------------------------------------- */

static void
notify_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)(clock_now_ns() / 1000));
	keeper_notify(text);
}

void
keeper_reload_begin(void)
{
	const struct keeper_message message = {
	    .op = KEEPER_SIGNAL, .value = SIGHUP};

	if (keeper.standby_step != KEEPER_STANDBY_NONE) {
		keeper.reload_again = true; /* the new one has just read them */
		return;
	}
	if (keeper.reload_by_ms == 0)
		notify_reloading();
	keeper.reload_by_ms = clock_now_ms() + RELOAD_MS;
	/* One that is being started reads them anyway, and says READY. */
	keeper_tell(keeper.supervisor, &message, -1);
}

void
keeper_reload_settings(int32_t result)
{
	bool outdated;

	if (keeper.standby_step != KEEPER_STANDBY_NONE)
		return;
	outdated = keeper.stop_signal == 0 && is_outdated(keeper.supervisor);
	if (outdated && result == KEEPER_RELOADED_ALL) {
		keeper_standby_start();
		return;
	}
	if (outdated)
		log_err("alarm=upgrade the supervisor is not replaced by the "
			"new one because of its settings, see above");
	keeper_reload_end();
}

void
keeper_reload_end(void)
{
	if (keeper.reload_by_ms == 0)
		return;
	keeper.reload_by_ms = 0;
	if (keeper.stop_signal == 0)
		keeper_notify("READY=1");
	if (!keeper.reload_again)
		return;
	keeper.reload_again = false;
	keeper_reload_begin();
}

void
keeper_reload_turn(uint64_t now_ms)
{
	if (keeper.reload_by_ms == 0 || now_ms < keeper.reload_by_ms)
		return;
	log_warn("reload takes too long, not waiting for it any longer");
	keeper_reload_end();
}
