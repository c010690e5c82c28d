/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says of a network's kernels: all of them with --log debug, and in any case, once,
 * passes that run by plain loops and are large enough to be felt. */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "train/network.h"

/* Two convolutions, 27 to 1 of the work; told to a log of that level: what it wrote. */
static const char *told(const char *kernel, enum sm_log_level level)
{
	static char text[8192];
	struct sm_graph *g = sm_graph_create();
	const struct sm_net_opt opt = {.threads = 1, .kernel = kernel};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	struct sm_log log;
	int x = sm_g_input(g, "x", (struct sm_shape){1, 8, 16, 16, 16});
	x = sm_g_conv(g, x, "wide", (struct sm_conv){.out = 16, .k = {3, 3, 3}});
	sm_g_output(g, sm_g_conv(g, x, "point", (struct sm_conv){.out = 16}), "y");
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	FILE *f = tmpfile();
	int before = dup(STDERR_FILENO);
	assert_non_null(f);
	sm_log_init(&log, "test", level);
	dup2(fileno(f), STDERR_FILENO);
	sm_network_tell(net, &log);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	sm_net_free(net);
	return text;
}

static void test_kernels_are_told_on_request(void **state)
{
	(void)state;
	assert_string_equal(told(NULL, SM_LOG_INFO), "");
	const char *text = told(NULL, SM_LOG_DEBUG);
	assert_non_null(strstr(text, "test: debug: kernel: wide (conv 3x3x3 stride 1x1x1, "
				     "1x8x16x16x16 to 1x8x16x16x16), forward: "));
	assert_non_null(strstr(text, "test: debug: kernel: point (conv 1x1x1 "));
	assert_null(strstr(text, "warning"));
}

static void test_plain_loops_are_warned_of(void **state)
{
	(void)state;
	const char *text = told("portable", SM_LOG_WARN);
	const char *say = "test: warning: 100 % of the network's multiplications run by plain "
			  "loops";
	assert_int_equal(strncmp(text, say, strlen(say)), 0);
	assert_non_null(strstr(text, ": wide (conv 3x3x3 stride 1x1x1, 1x8x16x16x16 to "
				     "1x8x16x16x16), forward; point (conv 1x1x1 "));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernels_are_told_on_request),
		cmocka_unit_test(test_plain_loops_are_warned_of),
	};
	return run_tap(tests);
}
