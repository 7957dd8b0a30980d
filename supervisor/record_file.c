/* SPDX-License-Identifier: MIT */
/*
 * record_file.c – journal entries become lines of a file.
 *
 * Invariant: the file consists of whole lines at any time that nobody writes;
 * what a full disk cut off is cut off again before the next try, and what a
 * dead process left half is cut off before the first one.
 */
#include "supervisor/record_file.h"

#include "common/clock.h"
#include "common/journal.h"
#include "common/json.h"
#include "common/log.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	NAME_SIZE = 3 * RECORD_CALL_MAX + 40, /* every byte may be %XX */
	DAY_SIZE = 16,
	TIME_SIZE = 40,
	TAIL_MAX = 256 * 1024, /* bytes; a line is shorter */
	SAME_NAMES_MAX = 100,
};

struct record_file {
	struct record_rules rules;
	char name[NAME_SIZE]; /* in open/ */
	char call[NAME_SIZE];
	int fd;
	off_t len; /* whole lines */
	struct journal_reader *reader;
	uint32_t number;    /* of the last entry that is in the file */
	uint64_t first_ns;  /* CLOCK_MONOTONIC of the first entry; 0: none */
	time_t begun;       /* wall clock of the same */
	bool final;         /* the journal's last words are in the file */
	char *pending;      /* a line that the disk did not take, or NULL */
	bool pending_final; /* … is the last one */
	uint32_t pending_number;
};

/* -- names -------------------------------------------------------------------- */

/* A channel's id as part of a file's name: whatever it is, it stays one. */
static void
encode(const char *call, char *buf, size_t size)
{
	size_t n = 0;

	for (; *call != '\0' && n + 4 < size; call++) {
		unsigned char c = (unsigned char)*call;

		if (isalnum(c) || c == '-' || c == '_' || (c == '.' && n > 0))
			buf[n++] = *call;
		else
			n += (size_t)snprintf(buf + n, size - n, "%%%02X", c);
	}
	buf[n] = '\0';
}

static int
make_folder(const char *folder, const char *name)
{
	char path[RECORD_FOLDER_MAX + DAY_SIZE];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return mkdir(path, 0750) == 0 || errno == EEXIST ? 0 : -errno;
}

static int
make_folders(const struct record_rules *rules)
{
	if (strlen(rules->folder) >= RECORD_FOLDER_MAX)
		return -ENAMETOOLONG;
	if (mkdir(rules->folder, 0750) != 0 && errno != EEXIST)
		return -errno;
	return make_folder(rules->folder, "open");
}

static void
path_open(
    const struct record_rules *rules, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/open/%s", rules->folder, name);
}

/* Moves open/NAME to where a call that began at BEGUN belongs. */
static int
move_to_day(const struct record_rules *rules, const char *name,
    const char *call, time_t begun)
{
	char from[RECORD_FOLDER_MAX + NAME_SIZE + DAY_SIZE];
	char to[RECORD_FOLDER_MAX + NAME_SIZE + 2 * DAY_SIZE];
	char day[DAY_SIZE], clock[DAY_SIZE];
	struct tm tm;
	int ret;

	localtime_r(&begun, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	strftime(clock, sizeof(clock), "%H%M%S", &tm);
	ret = make_folder(rules->folder, day);
	path_open(rules, name, from, sizeof(from));
	for (int i = 1; ret == 0 && i <= SAME_NAMES_MAX; i++) {
		int n = snprintf(to, sizeof(to), "%s/%s/%s-%s", rules->folder,
		    day, clock, call);

		if (i == 1)
			snprintf(to + n, sizeof(to) - (size_t)n, ".jsonl");
		else
			snprintf(
			    to + n, sizeof(to) - (size_t)n, ".%d.jsonl", i);
		if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) ==
		    0)
			return 0;
		if (errno != EEXIST)
			ret = -errno;
	}
	return ret < 0 ? ret : -EEXIST;
}

/* -- lines -------------------------------------------------------------------- */

/* Strings of these names are ours; all others may be somebody's words. */
static const char *const public_members[] = {"call", "called", "caller",
    "codec", "fault", "from", "id", "model", "name", "persona", "reason",
    "state", "status", "tag", "to", "turn", "what", "why"};

static bool
is_public(const char *name)
{
	for (size_t i = 0;
	     i < sizeof(public_members) / sizeof(public_members[0]); i++) {
		if (strcmp(name, public_members[i]) == 0)
			return true;
	}
	return false;
}

/* Numbers and truths stay, at any depth. */
static void
hide_words(cJSON *parent)
{
	cJSON *member = parent->child;

	while (member != NULL) {
		cJSON *next = member->next;

		if (cJSON_IsObject(member))
			hide_words(member);
		else if (cJSON_IsArray(member) ||
			 (cJSON_IsString(member) && !is_public(member->string)))
			cJSON_Delete(
			    cJSON_DetachItemViaPointer(parent, member));
		member = next;
	}
}

static void
hide_number(cJSON *body, const char *show)
{
	const char *number = json_string(body, "caller");
	size_t len = strlen(number);
	char shown[16];

	if (len == 0 || strcmp(show, "full") == 0)
		return;
	if (strcmp(show, "last4") == 0 && len > 4)
		snprintf(shown, sizeof(shown), "…%s", number + len - 4);
	else if (strcmp(show, "last4") == 0)
		return; /* an extension */
	else
		shown[0] = '\0';
	cJSON_ReplaceItemInObjectCaseSensitive(
	    body, "caller", cJSON_CreateString(shown));
}

static void
hide(cJSON *body, const struct record_rules *rules)
{
	hide_number(body, rules->show_number);
	if (!rules->transcripts)
		hide_words(body);
}

/* A new string with a newline, or NULL without memory. */
static char *
make_line(const struct record_file *file, const struct journal_entry *entry)
{
	cJSON *line = cJSON_CreateObject();
	cJSON *body = cJSON_ParseWithLength(entry->body, entry->body_len);
	time_t wall = (time_t)entry->wall_s;
	char stamp[TIME_SIZE];
	struct tm tm;
	cJSON *member;
	char *text, *with_newline = NULL;

	localtime_r(&wall, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S%z", &tm);
	json_add_int(line, "n", entry->number);
	json_add_string(line, "time", stamp);
	json_add_int(
	    line, "ms", (int64_t)(entry->mono_ns - file->first_ns) / 1000000);
	json_add_string(line, "type", journal_type_name(entry->type));
	if (cJSON_IsObject(body))
		hide(body, &file->rules);
	while (cJSON_IsObject(body) && (member = body->child) != NULL) {
		cJSON_DetachItemViaPointer(body, member);
		if (cJSON_HasObjectItem(line, member->string))
			cJSON_Delete(member);
		else
			cJSON_AddItemToObject(line, member->string, member);
	}
	text = cJSON_PrintUnformatted(line);
	if (text != NULL && asprintf(&with_newline, "%s\n", text) < 0)
		with_newline = NULL;
	free(text);
	cJSON_Delete(body);
	cJSON_Delete(line);
	return with_newline;
}

/* All of TEXT or nothing. */
static int
append(struct record_file *file, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = pwrite(file->fd, text, len, file->len);
	int ret;

	if (n == (ssize_t)len) {
		file->len += n;
		return 0;
	}
	ret = n < 0 ? -errno : -ENOSPC;
	(void)!ftruncate(file->fd, file->len);
	return ret;
}

static int
write_pending(struct record_file *file)
{
	int ret = append(file, file->pending);

	if (ret < 0)
		return ret;
	free(file->pending);
	file->pending = NULL;
	file->number = file->pending_number;
	file->final = file->final || file->pending_final;
	return 0;
}

int
record_file_copy(struct record_file *file)
{
	struct journal_entry entry;

	if (file->pending != NULL) {
		int ret = write_pending(file);

		if (ret < 0)
			return ret;
	}
	while (journal_reader_next(file->reader, &entry) == 1) {
		int ret;

		if (file->first_ns == 0) {
			file->first_ns = entry.mono_ns;
			file->begun = (time_t)entry.wall_s;
		}
		if (entry.number <= file->number) {
			file->final =
			    file->final || entry.type == JOURNAL_FINAL;
			continue; /* an earlier process wrote it */
		}
		file->pending = make_line(file, &entry);
		if (file->pending == NULL)
			return -ENOMEM;
		file->pending_number = entry.number;
		file->pending_final = entry.type == JOURNAL_FINAL;
		ret = write_pending(file);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* -- beginning ------------------------------------------------------------------ */

/* "n" of a line, or 0. */
static uint32_t
line_number(const char *line, size_t len)
{
	cJSON *json = cJSON_ParseWithLength(line, len);
	int64_t n = json_int(json, "n", 0);

	cJSON_Delete(json);
	return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

/*
 * What an earlier process wrote: LEN is set behind its last whole line, and
 * *NUMBER_OUT to that line's. 0 or -errno.
 */
static int
find_end(int fd, off_t *len_out, uint32_t *number_out)
{
	struct stat st;
	char *tail, *end, *begin;
	off_t start;
	ssize_t n;

	*len_out = 0;
	*number_out = 0;
	if (fstat(fd, &st) != 0)
		return -errno;
	start = st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0;
	tail = malloc(TAIL_MAX);
	if (tail == NULL)
		return -ENOMEM;
	n = pread(fd, tail, TAIL_MAX, start);
	end = n > 0 ? memrchr(tail, '\n', (size_t)n) : NULL;
	if (end != NULL) {
		begin = memrchr(tail, '\n', (size_t)(end - tail));
		begin = begin != NULL ? begin + 1 : tail;
		*number_out = line_number(begin, (size_t)(end - begin));
		*len_out = start + (end - tail) + 1;
	}
	free(tail);
	return n < 0 ? -errno : 0;
}

static int
open_file(struct record_file *file)
{
	char path[RECORD_FOLDER_MAX + NAME_SIZE + DAY_SIZE];
	int ret;

	path_open(&file->rules, file->name, path, sizeof(path));
	file->fd = open(
	    path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (file->fd < 0)
		return -errno;
	ret = find_end(file->fd, &file->len, &file->number);
	if (ret == 0 && ftruncate(file->fd, file->len) != 0)
		ret = -errno;
	return ret;
}

int
record_file_open(struct record_file **file_out,
    const struct record_rules *rules, const char *call, int journal_fd)
{
	struct record_file *file = calloc(1, sizeof(*file));
	struct stat st;
	int ret;

	*file_out = NULL;
	if (file == NULL)
		return -ENOMEM;
	file->rules = *rules;
	file->fd = -1;
	encode(call, file->call, sizeof(file->call) - 32);
	ret = fstat(journal_fd, &st) == 0 ? 0 : -errno;
	if (ret == 0)
		ret = make_folders(rules);
	if (ret == 0)
		ret = journal_reader_new(&file->reader, journal_fd);
	if (ret < 0)
		goto fail;
	/* A channel may come back with the same id, but not its journal. */
	snprintf(file->name, sizeof(file->name), "%.*s.%llu.jsonl",
	    (int)sizeof(file->call) - 32, file->call,
	    (unsigned long long)st.st_ino);
	file->begun = clock_wall();
	ret = open_file(file);
	if (ret < 0)
		goto fail;
	*file_out = file;
	return 0;
fail:
	record_file_free(&file);
	return ret;
}

const char *
record_file_name(const struct record_file *file)
{
	return file->name;
}

/* -- the end -------------------------------------------------------------------- */

/* The last line of a record whose worker had no last words. */
static int
append_cut(struct record_file *file, const char *why)
{
	char line[160];
	char stamp[TIME_SIZE];
	time_t now = clock_wall();
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S%z", &tm);
	snprintf(line, sizeof(line),
	    "{\"n\":%u,\"time\":\"%s\",\"type\":\"cut\",\"why\":\"%s\"}\n",
	    file->number + 1, stamp, why);
	return append(file, line);
}

int
record_file_finish(struct record_file *file)
{
	int ret = record_file_copy(file);

	if (ret == 0 && !file->final) {
		ret = append_cut(file, "the worker had no last words");
		file->final = ret == 0;
	}
	if (ret == 0 && fdatasync(file->fd) != 0)
		ret = -errno;
	if (ret == 0)
		ret = move_to_day(
		    &file->rules, file->name, file->call, file->begun);
	return ret;
}

void
record_file_free(struct record_file **file_ptr)
{
	struct record_file *file = *file_ptr;

	if (file == NULL)
		return;
	journal_reader_free(&file->reader);
	if (file->fd >= 0)
		close(file->fd);
	free(file->pending);
	free(file);
	*file_ptr = NULL;
}

/* -- what is there ----------------------------------------------------------------- */

/* NAME is "CALL.INODE.jsonl": the file without its journal, which is gone. */
static int
close_left(const struct record_rules *rules, const char *name)
{
	struct record_file file = {.rules = *rules};
	const char *dot = memrchr(name, '.', strlen(name) - strlen(".jsonl"));
	struct stat st;
	int ret;

	snprintf(file.name, sizeof(file.name), "%s", name);
	snprintf(file.call, sizeof(file.call), "%.*s",
	    dot != NULL ? (int)(dot - name) : (int)strlen(name), name);
	ret = open_file(&file);
	if (ret == 0 && fstat(file.fd, &st) != 0)
		ret = -errno;
	if (ret == 0)
		ret = append_cut(&file, "the service ended");
	if (ret == 0)
		ret = move_to_day(rules, name, file.call, st.st_mtime);
	if (file.fd >= 0)
		close(file.fd);
	return ret;
}

static bool
is_record_name(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > strlen(".jsonl") && len < NAME_SIZE &&
	       strcmp(name + len - strlen(".jsonl"), ".jsonl") == 0;
}

int
record_files_close_left(const struct record_rules *rules,
    bool (*is_live)(const char *name, void *arg), void *arg)
{
	char path[RECORD_FOLDER_MAX + DAY_SIZE];
	struct dirent *entry;
	int count = 0;
	DIR *dir;
	int ret = make_folders(rules);

	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "%s/open", rules->folder);
	dir = opendir(path);
	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		if (!is_record_name(entry->d_name) ||
		    is_live(entry->d_name, arg))
			continue;
		ret = close_left(rules, entry->d_name);
		if (ret < 0)
			break;
		count++;
	}
	closedir(dir);
	return ret < 0 ? ret : count;
}

/* A name of strftime's "%Y-%m-%d"; else false. */
static bool
parse_day(const char *name, time_t *day_out)
{
	struct tm tm = {.tm_isdst = -1, .tm_hour = 12};
	int end = 0;

	if (sscanf(name, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		&end) != 3 ||
	    end != 10 || name[end] != '\0')
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*day_out = mktime(&tm);
	return *day_out != (time_t)-1;
}

static int
remove_day(int folder, const char *name)
{
	int fd = openat(
	    folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (is_record_name(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	/* What is not ours stays, and its folder with it. */
	return unlinkat(folder, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

int
record_files_prune(const struct record_rules *rules, long days)
{
	DIR *dir = opendir(rules->folder);
	struct dirent *entry;
	int count = 0;

	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		time_t day;

		if (!parse_day(entry->d_name, &day) ||
		    clock_wall() - day < (days + 1) * 86400)
			continue;
		if (remove_day(dirfd(dir), entry->d_name) == 0)
			count++;
	}
	closedir(dir);
	return count;
}
