/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"

extern char **environ;

void sm_command_add(struct sm_command *command, const char *word)
{
	if (command->n + 2 > command->room) {
		size_t room = command->room ? 2 * command->room : 32;
		char **more = realloc(command->arg, room * sizeof *more);
		if (!more) {
			command->failed = true;
			return;
		}
		command->arg = more;
		command->room = room;
	}
	char *copy = strdup(word);
	command->failed = command->failed || !copy;
	if (!copy)
		return;
	command->arg[command->n++] = copy;
	command->arg[command->n] = NULL;
}

void sm_command_option(struct sm_command *command, const char *option, const char *value)
{
	sm_command_add(command, option);
	sm_command_add(command, value);
}

void sm_command_clear(struct sm_command *command)
{
	for (size_t i = 0; i < command->n; i++)
		free(command->arg[i]);
	free(command->arg);
	*command = (struct sm_command){0};
}

char *sm_program_path(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);
	if (n <= 0 || (size_t)n >= sizeof self)
		return NULL;
	while (n > 0 && self[n - 1] != '/')
		n--;
	return sm_strf("%.*sscanmill-%s", (int)n, self, name);
}

static int start(const char *path, const struct sm_command *command, const char *log, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	/* The first word of the command is its name. */
	int why = posix_spawn_file_actions_init(&actions);
	if (why)
		return why;
	why = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!why)
		why = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log,
						       O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (!why)
		why = posix_spawn(pid, path, &actions, NULL, command->arg, environ);
	posix_spawn_file_actions_destroy(&actions);
	return why;
}

enum sm_status sm_child_run(const char *name, const struct sm_command *command, const char *log,
			    int *code, struct sm_err *err)
{
	int status = 0;
	pid_t pid;
	char *path = sm_program_path(name);
	if (!path || command->failed) {
		free(path);
		return SM_FAIL(err, SM_BUDGET, "scanmill-%s: out of memory", name);
	}
	int why = start(path, command, log, &pid);
	free(path);
	if (why)
		return SM_FAIL(err, SM_IO, "scanmill-%s: cannot be started: %s", name,
			       strerror(why));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return SM_FAIL(err, SM_IO, "scanmill-%s: %s", name, strerror(errno));
	if (!WIFEXITED(status))
		return SM_FAIL(err, SM_IO, "scanmill-%s: ended by signal %d", name,
			       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	*code = WEXITSTATUS(status);
	return SM_OK;
}

enum sm_status sm_scratch_make(const char *dir, char **out, struct sm_err *err)
{
	const char *place = dir ? dir : getenv("TMPDIR");
	if (!place || !*place)
		place = "/tmp";
	*out = sm_path_join(place, "scanmill-verify.XXXXXX");
	if (!*out)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", place);
	if (mkdtemp(*out))
		return SM_OK;
	free(*out);
	*out = NULL;
	return SM_FAIL(err, SM_IO, "%s: no folder can be made there: %s", place, strerror(errno));
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
	(void)s;
	(void)kind;
	(void)at;
	remove(path);
	return 0;
}

void sm_scratch_remove(char *scratch)
{
	if (scratch)
		nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(scratch);
}
