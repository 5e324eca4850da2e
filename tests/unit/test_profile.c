/* SPDX-License-Identifier: ISC */
/* Profiles that are right, from real files: every key, defaults, lookup, drop-ins, includes,
 * instances, variables; files that may not be read; and what is seen across profiles. Messages of
 * single profiles: test_bad_profiles.c.
 * wrap: readdir read */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sandbox/cgroup.h"
#include "supervisor/profile/load.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>

#include "profile_files.h"

static const char *unreadable; /* the name of an entry at which its directory cannot be read on; NULL: none */

struct dirent *__real_readdir(DIR *d);
struct dirent *__wrap_readdir(DIR *d);
struct dirent *__wrap_readdir(DIR *d)
{
	struct dirent *e = __real_readdir(d);

	if (!e || !unreadable || strcmp(e->d_name, unreadable) != 0)
		return e;
	errno = EIO;
	return NULL;
}

/* Somebody writes this to the end of late_file when it has just been read, so many times. */
static char late_file[256];
static const char late_text[] = "[limits]\nmemory = 64M\n";
static unsigned late_times;

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	ssize_t n = __real_read(fd, buf, size);
	int file = n == 0 && late_times > 0 ? open(late_file, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

	if (file >= 0) {
		late_times--;
		assert_int_equal(write(file, late_text, strlen(late_text)), strlen(late_text));
		close(file);
	}
	return n;
}

static int load(const char *service, struct profile **ret)
{
	const char *a = file_path("a"), *b = file_path("b"), *dirs[] = {a, b};
	struct profile_paths paths = {.dirs = dirs,
		.n_dirs = 2,
		.public_port = {[TRP_PROTO_HTTP1] = 8080, [TRP_PROTO_TLS] = 8443},
		.libexec = "/usr/lib/trpsup"};

	return profile_load(&paths, service, ret, &errors);
}

static struct profile *load_good(const char *service)
{
	struct profile *p = NULL;
	int r = load(service, &p);

	for (size_t i = 0; i < errors.n; i++)
		print_error("%s\n", errors.v[i]);
	assert_int_equal(r, 0);
	assert_int_equal(errors.n, 0);
	return p;
}

static void load_bad(const char *service, int error)
{
	struct profile *p = NULL;

	assert_int_equal(load(service, &p), error);
	assert_null(p);
}

/* words separated by | */
static void list_is(const struct strv *s, const char *want)
{
	char text[1024] = "";

	for (size_t i = 0; i < s->n; i++) {
		strcat(text, i ? "|" : "");
		strcat(text, s->v[i]);
	}
	assert_string_equal(text, want);
	if (s->n > 0)
		assert_null(s->v[s->n]);
}

static void test_defaults(void **state)
{
	struct profile *p;

	(void)state;
	file_write("a/min.ini", "[service]\ncommand = /bin/sh\n");
	p = load_good("min");
	assert_string_equal(p->service, "min");
	assert_string_equal(p->name, "min");
	assert_string_equal(p->instance, "");
	assert_string_equal(p->id, "min");
	assert_string_equal(p->file, file_path("a/min.ini"));
	assert_null(p->files_dir);
	list_is(&p->command, "/bin/sh");
	assert_string_equal(p->user, "1000");
	assert_null(p->group);
	assert_int_equal(p->ready, READY_AUTO);
	assert_int_equal(p->adapter, ADAPTER_AUTO);
	assert_int_equal(p->restart, RESTART_ON_FAILURE);
	assert_int_equal(p->start_timeout_ms, 90000);
	assert_int_equal(p->stop_timeout_ms, 20000);
	assert_int_equal(p->restart_delay_ms, 100);
	assert_int_equal(p->restart_delay_max_ms, 30000);
	assert_int_equal(p->start_limit_burst, 8);
	assert_int_equal(p->start_limit_ms, 120000);
	assert_int_equal(p->stop_signal, SIGTERM);
	assert_int_equal(p->reload_signal, SIGHUP);
	assert_null(p->working_directory);
	assert_int_equal(p->log_size, 4 << 20);
	assert_int_equal(p->log_files, 3);
	assert_int_equal(p->log_rate, 4 << 20);
	assert_int_equal(p->log_burst, 16 << 20);
	assert_int_equal(p->root, ROOT_HOST);
	assert_false(p->publish);
	assert_true(p->state);
	assert_false(p->default_route);
	list_is(&p->syscalls, "@default");
	assert_int_equal(p->tmp_size, 64 << 20);
	assert_int_equal(p->limit_processes, 512);
	assert_int_equal(p->limit_memory, 1 << 30);
	assert_true(p->limit_cpu_permille == CGROUP_UNLIMITED);
	assert_int_equal(p->limit_open_files, 8192);
	assert_true(p->limit_file_size == CGROUP_UNLIMITED);
	assert_int_equal(p->limit_io[CGROUP_IO_WEIGHT], 0);
	assert_int_equal(p->limit_locked, 8 << 20);
	assert_string_equal(p->files[0], p->file);
	assert_null(p->files[1]);
	profile_free(p);
}

static void test_service_keys(void **state)
{
	struct profile *p;

	(void)state;
	file_write("a/svc.ini",
		"\xef\xbb\xbf# a comment\r\n[service] ; another\r\n"
		"description = Text with \"quotes\" ; and a comment\r\n"
		"command = /bin/sh -c 'a  b' \"c \\\" \\\\d\" e\\ f '' 'x\\\"y'\r\n"
		"\r\n"
		"  # between\r\n"
		"\tg 'h'\r\n"
		"setup = /bin/sh one\n  two\nsetup = /bin/sh three\n"
		"user = www-data\ngroup = 33\nrequires = db\n  cache@x\nrequires = db mail\nafter "
		"= log\nbefore = x\n  y\npre-stop = /bin/sh four\n  five\n"
		"ready = notify\nadapter = preload\nrestart = always\nstart-timeout = 1m "
		"30s\nstop-timeout = 250ms\n"
		"restart-delay = 0\nrestart-delay-max = 1h\nstart-limit-burst = "
		"0\nstart-limit-interval = 1d\n"
		"stop-signal = SIGQUIT\nreload-signal = 12\nworking-directory = /srv\n"
		"log-size = 1.5M\nlog-files = 0\n"
		"environment-file = /etc/default/x -/etc/${name}.env\nenvironment-file =\nenvironment-file = -/etc/default/${name}\n  /etc/b");
	p = load_good("svc");
	assert_string_equal(p->description, "Text with \"quotes\"");
	list_is(&p->command, "/bin/sh|-c|a  b|c \" \\d|e f||x\\\"y|g|h");
	assert_int_equal(p->setup.n, 2);
	list_is(&p->setup.v[0], "/bin/sh|one|two");
	list_is(&p->setup.v[1], "/bin/sh|three");
	assert_int_equal(p->setup.where[1].line, 10);
	assert_string_equal(p->user, "www-data");
	assert_string_equal(p->group, "33");
	list_is(&p->requires, "db|cache@x|mail");
	list_is(&p->after, "log");
	list_is(&p->before, "x|y");
	assert_int_equal(p->pre_stop.n, 1);
	list_is(&p->pre_stop.v[0], "/bin/sh|four|five");
	assert_int_equal(p->ready, READY_NOTIFY);
	assert_int_equal(p->adapter, ADAPTER_PRELOAD);
	assert_int_equal(p->restart, RESTART_ALWAYS);
	assert_int_equal(p->start_timeout_ms, 90000);
	assert_int_equal(p->stop_timeout_ms, 250);
	assert_int_equal(p->restart_delay_ms, 0);
	assert_int_equal(p->restart_delay_max_ms, 3600000);
	assert_int_equal(p->start_limit_burst, 0);
	assert_int_equal(p->start_limit_ms, 86400000);
	assert_int_equal(p->stop_signal, SIGQUIT);
	assert_int_equal(p->reload_signal, SIGUSR2);
	assert_string_equal(p->working_directory, "/srv");
	assert_int_equal(p->n_env_files, 2);
	assert_string_equal(p->env_files[0].path, "/etc/default/svc");
	assert_true(p->env_files[0].optional && !p->env_files[1].optional);
	assert_string_equal(p->env_files[1].path, "/etc/b");
	assert_int_equal(p->env_files[1].where.line, 38);
	assert_int_equal(p->log_size, 3 << 19);
	assert_int_equal(p->log_files, 0);
	assert_int_equal(profile_where(p, "service", "user").line, 11);
	assert_string_equal(profile_where(p, "service", "user").file, p->file);
	assert_int_equal(profile_where(p, "sandbox", "root").line, 0);
	assert_string_equal(profile_where(p, "sandbox", "root").file, p->file);
	profile_free(p);
}

static void test_other_keys(void **state)
{
	struct profile *p;

	(void)state;
	file_write("a/full.ini",
		"[service]\ncommand = /usr/sbin/nginx\nrequires = db\n"
		"[route]\nhost = Example.ORG. *.Example.org\nhost = b.org\nhttp = 80\ntls = "
		"443\ndefault = yes\n"
		"listener = lan wan\n"
		"[sandbox]\nroot = packages\npackages = nginx php-fpm\n  apache2 nginx\nsuite = "
		"bookworm\n"
		"bind = /srv/www /srv/www\n  \"/srv/a b\" /data rw optional\n  /srv/c /c rw exec\n"
		"secret = key db/root\npublish = yes\nuse = db\nstate-at = lib:/var/lib/x "
		"www:/var/www\n"
		"syscalls = -@ipc\n  @debug\nexec-from = state memfd\nallow-missing = landlock cgroup cgroup-bpf\ntmp-size = 4K\n"
		"[limits]\nprocesses = unlimited\nmemory = unlimited\ncpu = 0.5G\n");
	load_bad("full", -EINVAL);
	errors_are(&errors,
		"$/a/full.ini:31: cpu: '0.5G' is not valid, expected a percentage such as 50% or "
		"200%, from 1% to 1000000%, "
		"or unlimited",
		NULL);
	file_write("b/full.ini", "");
	file_write("a/full.ini.d/1.ini", "[limits]\ncpu = 150%\nopen-files = 16\nfile-size = 1T\nio-write = 64K\nio-weight = 7\nlocked-memory = 0\n");
	file_write("a/full.ini",
		"[service]\ncommand = /usr/sbin/nginx\nrequires = db\n"
		"[route]\nhost = Example.ORG. *.Example.org\nhost = b.org\nhttp = 80\ntls = "
		"443\ndefault = yes\n"
		"listener = lan wan\nrate = 30/m\nburst = 20\nqueue = 64\n"
		"[sandbox]\nroot = packages\npackages = nginx php-fpm\n  apache2 nginx\nsuite = "
		"bookworm\n"
		"bind = /srv/www /srv/www\n  \"/srv/a b\" /data rw optional\n  /srv/c /c rw exec\n"
		"secret = key db/root\npublish = yes\nuse = db\nstate-at = lib:/var/lib/x "
		"www:/var/www\n"
		"syscalls = -@ipc\n  @debug\nexec-from = state memfd\nallow-missing = landlock cgroup cgroup-bpf\ntmp-size = 4K\n"
		"credential = x:/etc/x\ncredential-command = y:/bin/y\ncredential =\ncredential-command =\n"
		"credential = tls:/etc/${name}.key\ncredential-command = pw:/bin/vault 'a b' ${name}\ncredential = z:/etc/z\n"
		"[limits]\nprocesses = unlimited\nmemory = unlimited\ncpu = unlimited\n"
		"[environment]\nA =\nB = \"x\"  y\n  z\n_c1 = ${name}$$\n");
	p = load_good("full");
	list_is(&p->hosts, "example.org|*.example.org|b.org");
	assert_int_equal(p->hosts_where.line, 5);
	assert_int_equal(p->host_where[2].line, 6);
	assert_int_equal(p->port[TRP_PROTO_HTTP1], 80);
	assert_int_equal(p->port[TRP_PROTO_TLS], 443);
	assert_true(p->default_route);
	assert_int_equal(p->route_interval_ns, 2000000000);
	assert_int_equal(p->route_burst, 20);
	assert_int_equal(p->queue, 64);
	list_is(&p->listeners, "lan|wan");
	assert_int_equal(p->root, ROOT_PACKAGES);
	list_is(&p->packages, "apache2|nginx|php-fpm");
	assert_string_equal(p->suite, "bookworm");
	assert_int_equal(p->n_binds, 3);
	assert_string_equal(p->binds[1].source, "/srv/a b");
	assert_string_equal(p->binds[1].target, "/data");
	assert_false(p->binds[0].writable || p->binds[0].noexec || p->binds[0].optional);
	assert_true(p->binds[1].writable && p->binds[1].noexec && p->binds[1].optional);
	assert_true(p->binds[2].writable && !p->binds[2].noexec);
	list_is(&p->exec_from, "state|memfd");
	assert_int_equal(p->binds[1].where.line, 20);
	assert_int_equal(p->n_secrets, 2);
	assert_int_equal(p->n_credentials, 3);
	assert_string_equal(p->credentials[0].name, "tls");
	assert_string_equal(p->credentials[0].path, "/etc/full.key");
	assert_null(p->credentials[1].path);
	list_is(&p->credentials[1].command, "/bin/vault|a b|full");
	assert_int_equal(p->credentials[2].where.line, 37);
	assert_null(p->secrets[0].service);
	assert_string_equal(p->secrets[0].name, "key");
	assert_string_equal(p->secrets[1].service, "db");
	assert_string_equal(p->secrets[1].name, "root");
	assert_true(p->publish);
	list_is(&p->use, "db");
	list_is(&p->state_at, "lib:/var/lib/x|www:/var/www");
	list_is(&p->syscalls, "@default|-@ipc|@debug");
	list_is(&p->allow_missing, "landlock|cgroup|cgroup-bpf");
	assert_int_equal(p->tmp_size, 4096);
	assert_true(p->limit_processes == CGROUP_UNLIMITED);
	assert_true(p->limit_memory == CGROUP_UNLIMITED);
	assert_int_equal(p->limit_cpu_permille, 1500);
	assert_int_equal(p->limit_open_files, 16);
	assert_true(p->limit_file_size == 1ull << 40);
	assert_true(p->limit_io[CGROUP_IO_READ] == CGROUP_UNLIMITED);
	assert_int_equal(p->limit_io[CGROUP_IO_WRITE], 65536);
	assert_int_equal(p->limit_io[CGROUP_IO_WEIGHT], 7);
	assert_int_equal(p->limit_locked, 0);
	assert_int_equal(p->env.n, 3);
	assert_string_equal(p->env.v[0].value, "");
	assert_string_equal(p->env.v[1].value, "\"x\"  y z");
	assert_string_equal(p->env.v[2].value, "full$");
	profile_free(p);
}

static void test_timer(void **state)
{
	struct profile *p;

	(void)state;
	file_write("a/job.ini", "[service]\ncommand = /bin/sh\nready = exit\n[timer]\ncalendar = Mon..Fri  02:00\n  *:0/15\ncalendar = daily\n"
		"interval = 15m\ndelay-after-boot = 1m\nrandom-delay = 30s\npersistent = yes\n");
	p = load_good("job");
	assert_true(profile_is_timed(p));
	assert_int_equal(p->calendars.n, 3);
	assert_string_equal(p->calendars.v[0].text, "Mon..Fri 02:00");
	assert_string_equal(p->calendars.v[1].text, "*:0/15");
	assert_string_equal(p->calendars.v[2].text, "daily");
	assert_int_equal(p->timer_interval_ms, 900000);
	assert_int_equal(p->timer_boot_ms, 60000);
	assert_int_equal(p->timer_random_ms, 30000);
	assert_true(p->timer_persistent);
	assert_int_equal(p->restart, RESTART_NO); /* unless it is said */
	profile_free(p);
	file_write("a/job.ini.d/1.ini", "[service]\nrestart = on-failure\n[timer]\ncalendar =\ncalendar = weekly\n");
	p = load_good("job");
	assert_int_equal(p->calendars.n, 1);
	assert_int_equal(p->restart, RESTART_ON_FAILURE);
	profile_free(p);
}

static void test_lookup(void **state)
{
	struct profile *p;

	(void)state;
	file_write("b/web.ini", "[service]\ncommand = /bin/sh b\n");
	file_write("b/web@x.ini", "[service]\ncommand = /bin/sh b-x\n");
	p = load_good("web");
	list_is(&p->command, "/bin/sh|b");
	profile_free(p);
	p = load_good("web@x");
	list_is(&p->command, "/bin/sh|b-x");
	assert_string_equal(p->name, "web");
	assert_string_equal(p->instance, "x");
	assert_string_equal(p->id, "web-x");
	profile_free(p);
	/* the first directory wins, also with the less special file */
	file_write("a/web.ini", "[service]\ncommand = /bin/sh a\n");
	p = load_good("web@x");
	list_is(&p->command, "/bin/sh|a");
	profile_free(p);

	load_bad("wep", -ENOENT);
	errors_are(
		&errors, "wep: there is no profile wep.ini in $/a, $/b; did you mean 'web'?", NULL);
	load_bad("Web", -EINVAL);
	errors_are(&errors,
		"Web: not a service's name, expected a-z 0-9 . _ - (at most 63), and perhaps @ and "
		"an instance of "
		"the same form",
		NULL);
	load_bad("../web", -EINVAL);
	profile_errors_free(&errors);
}

/* Perhaps it is there: one of a later directory is not meant. */
static void test_lookup_of_what_cannot_be_seen(void **state)
{
	(void)state;
	file_write("b/web.ini", "[service]\ncommand = /bin/sh b\n");
	assert_int_equal(symlink("a", file_path("a")), 0);
	load_bad("web", -EINVAL);
	errors_are(&errors, "$/a/web.ini: Too many levels of symbolic links", "$/a/web.ini.d: Too many levels of symbolic links", NULL);
	load_bad("wep", -EINVAL);
	profile_errors_free(&errors);
	assert_int_equal(unlink(file_path("a")), 0);
}

/* What it says besides is not known: it is not without its limits. */
static void test_dropins_that_cannot_be_listed(void **state)
{
	const char *dirs[] = {file_path("b")};
	struct profile_paths paths = {.dirs = dirs, .n_dirs = 1};
	struct strv names = {0};

	(void)state;
	file_write("b/web.ini", "[service]\ncommand = /bin/sh\n");
	file_write("b/web.ini.d/limits.ini", "[limits]\nmemory = 64M\n");
	unreadable = "limits.ini";
	load_bad("web", -EINVAL);
	errors_are(&errors, "$/b/web.ini.d: Input/output error", NULL);
	unreadable = "web.ini";
	assert_int_equal(profile_list(&paths, &names), -EIO);
	unreadable = NULL;
}

static void test_list(void **state)
{
	const char *dirs[] = {NULL, "/nonexistent", NULL};
	struct profile_paths paths = {.dirs = dirs, .n_dirs = 3};
	struct strv names = {0};

	(void)state;
	file_write("b/web@x.ini", "");
	file_write("a/web.ini", "");
	file_write("b/web.ini", "");
	file_write("b/.hidden.ini", "");
	file_write("b/Upper.ini", "");
	file_write("b/web.ini.d/drop.ini", "");
	file_write("b/readme.txt", "");
	dirs[0] = file_path("a");
	dirs[2] = file_path("b");
	assert_int_equal(profile_list(&paths, &names), 0);
	list_is(&names, "web|web@x");
	strv_free(&names);
}

static void test_dropins(void **state)
{
	struct profile *p;

	(void)state;
	file_write("b/web.ini", "[service]\ncommand = /bin/sh one\nuser = a\nafter = "
				"x\n[route]\nhost = a.org\nhttp = 1\n"
				"[environment]\nA = 1\nB = 1\n");
	file_write("b/web.ini.d/20-b.ini",
		"[service]\nuser = b20\nafter = y\n[environment]\nA = 20\n");
	file_write("a/web.ini.d/10-a.ini",
		"[service]\nuser = a10\ncommand = /bin/sh two\n[route]\nhost =\nhost = c.org\n");
	/* masked by the file of the same name in the earlier directory */
	file_write("a/web.ini.d/30.ini", "");
	file_write("b/web.ini.d/30.ini", "[service]\nuser = masked\n");
	/* the order is that of the names, not of what the directory adds to them */
	file_write("b/web.ini.d/31.ini", "[service]\ngroup = early\n");
	file_write("a/web.ini.d/31.ini-x.ini", "[service]\ngroup = late\n");
	/* only for the instance, where it masks the general one */
	file_write("b/web@i.ini.d/20-b.ini", "[service]\nuser = i20\n");
	file_write("b/web.ini.d/ignored.txt", "[[[");
	file_write("b/web.ini.d/.ignored.ini", "[[[");

	p = load_good("web");
	list_is(&p->command, "/bin/sh|two");
	assert_string_equal(p->user, "b20");
	assert_string_equal(p->group, "late");
	list_is(&p->after, "x|y");
	list_is(&p->hosts, "c.org");
	assert_string_equal(p->host_where[0].file, file_path("a/web.ini.d/10-a.ini"));
	assert_int_equal(p->host_where[0].line, 6);
	assert_string_equal(p->env.v[0].value, "20");
	assert_string_equal(p->env.v[1].value, "1");
	assert_string_equal(p->files[1], file_path("a/web.ini.d/10-a.ini"));
	assert_string_equal(p->files[2], file_path("b/web.ini.d/20-b.ini"));
	assert_string_equal(p->files[3], file_path("a/web.ini.d/30.ini"));
	assert_string_equal(p->files[4], file_path("b/web.ini.d/31.ini"));
	assert_string_equal(p->files[5], file_path("a/web.ini.d/31.ini-x.ini"));
	assert_null(p->files[6]);
	profile_free(p);

	p = load_good("web@i");
	assert_string_equal(p->user, "i20");
	list_is(&p->after, "x");
	profile_free(p);
}

static void test_dropin_errors(void **state)
{
	(void)state;
	file_write("a/web.ini", "[service]\ncommand = /bin/sh\nuser = -\n");
	file_write("a/web.ini.d/1.ini", "[service]\nusr = b\n");
	file_write("a/web.ini.d/2.ini", "[service]\ncommand =\ncommand = /bin/sh x\nready = x\n");
	load_bad("web", -EINVAL);
	errors_are(&errors,
		"$/a/web.ini:3: user: '-' is not valid, expected a user's name or a number from 0 "
		"to 65535",
		"$/a/web.ini.d/1.ini:2: usr: unknown key in [service]; did you mean 'user'?",
		"$/a/web.ini.d/2.ini:4: ready: 'x' is not valid, expected one of auto, started, "
		"listen, notify, check, exit, or fd:N with N from 3 to 1023",
		NULL);
}

static void test_include(void **state)
{
	struct profile *p;

	(void)state;
	file_write("common/base.ini",
		"user = common\nafter = c\n[limits]\nmemory = 8M\ninclude-is-no-key-here = 1\n");
	file_write("a/web.ini", "[service]\ncommand = /bin/sh\ninclude = ../common/base.ini\nuser "
				"= mine\nafter = d\n");
	load_bad("web", -EINVAL);
	errors_are(&errors,
		"$/a/../common/base.ini:5: include-is-no-key-here: unknown key in [limits]", NULL);

	file_write("common/base.ini", "user = common\nafter = c\n[limits]\nmemory = 8M\n");
	p = load_good("web");
	assert_string_equal(p->user, "mine");
	list_is(&p->after, "c|d");
	assert_int_equal(p->limit_memory, 8 << 20);
	assert_string_equal(p->files[1], file_path("a/../common/base.ini"));
	profile_free(p);

	/* at the top, where the included file brings its sections */
	file_write("a/top.ini", "include = sections.ini\n[service]\nuser = top\n");
	file_write("a/sections.ini", "[service]\ncommand = /bin/sh top\n");
	p = load_good("top");
	list_is(&p->command, "/bin/sh|top");
	assert_string_equal(p->user, "top");
	profile_free(p);
}

static void test_include_limits(void **state)
{
	char name[32], text[64];

	(void)state;
	file_write("a/loop.ini", "include = x.inc\n[service]\ncommand = /bin/sh\n");
	file_write("a/x.inc", "include = loop.ini\n");
	load_bad("loop", -EINVAL);
	errors_are(&errors,
		"$/a/x.inc:1: include: $/a/loop.ini is being read already, it would include itself",
		NULL);

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "a/%d.inc", i);
		snprintf(text, sizeof(text), "include = %d.inc\n", i + 1);
		file_write(name, text);
	}
	file_write("a/10.inc", "");
	file_write("a/deep.ini", "include = 3.inc\n[service]\ncommand = /bin/sh\n");
	profile_free(load_good("deep"));
	file_write("a/deep.ini", "include = 2.inc\n[service]\ncommand = /bin/sh\n");
	load_bad("deep", -EINVAL);
	errors_are(&errors, "$/a/9.inc:1: include: more than 8 files deep", NULL);
}

/* 3 files deep, each included 6 times by each: a small way to ask for 258 files */
static void test_include_number(void **state)
{
	(void)state;
	file_write("a/many.ini",
		"[service]\ncommand = "
		"/bin/sh\ninclude=1\ninclude=1\ninclude=1\ninclude=1\ninclude=1\ninclude=1\n");
	file_write("a/1", "include=2\ninclude=2\ninclude=2\ninclude=2\ninclude=2\ninclude=2\n");
	file_write("a/2", "include=3\ninclude=3\ninclude=3\ninclude=3\ninclude=3\ninclude=3\n");
	file_write("a/3", "");
	load_bad("many", -EINVAL);
	errors_are(&errors, "$/a/3: more than 128 files in one profile", NULL);
}

static void test_variables(void **state)
{
	struct profile *p;

	(void)state;
	file_write("a/v.ini", "[service]\ncommand = /bin/sh ${name} ${instance} ${service} ${id} "
			      "'${instance} ${id}'\n"
			      "  ${state}/x ${runtime} ${publish} ${secrets} "
			      "${public.http}-${public.tls} ${libexec}/y $$ $${id}\n"
			      "requires = db@${id}\n"
			      "[route]\nhost = ${instance}.example.org\nhttp = 80\n"
			      "[sandbox]\npublish = yes\nsecret = db@${id}/key\nuse = "
			      "db@${id}\nbind = /srv/${id} /srv/www\n"
			      "[environment]\nPROFILE = ${profile}/x\n");
	file_write("a/v/file", "");
	p = load_good("v@one");
	list_is(&p->command, "/bin/sh|v|one|v@one|v-one|one "
			     "v-one|/trp/state/x|/run/v-one|/trp/publish|/trp/secrets|8080-8443|"
			     "/usr/lib/trpsup/y|$|${id}");
	list_is(&p->requires, "db@v-one");
	list_is(&p->hosts, "one.example.org");
	assert_string_equal(p->secrets[0].service, "db@v-one");
	assert_string_equal(p->binds[0].source, "/srv/v-one");
	assert_string_equal(p->env.v[0].value, "/trp/profile/x");
	assert_string_equal(p->files_dir, file_path("a/v"));
	profile_free(p);
}

/* Programs are looked for where the sandbox will have them. */
static void test_programs(void **state)
{
	char text[512];

	(void)state;
	file_write("root/bin/app", "");
	file_write("root/bin/data", "");
	file_write("a/r/script", "");
	chmod(file_path("root/bin/app"), 0755);
	chmod(file_path("a/r/script"), 0755);
	/* absolute links stay in the root */
	assert_int_equal(symlink("/bin/app", file_path("root/link")), 0);
	assert_int_equal(symlink("/bin/sh", file_path("root/out")), 0);
	snprintf(text, sizeof(text),
		"[service]\ncommand = /link\nsetup = /mnt/app\nsetup = ${profile}/script\nsetup = "
		"/trp/state/x\n"
		"[sandbox]\nroot = %s/root\nbind = %s/root/bin /mnt\n",
		files_dir, files_dir);
	file_write("a/r.ini", text);
	profile_free(load_good("r"));
	snprintf(text, sizeof(text),
		"[service]\ncommand = /out\nsetup = /mnt/data\nsetup = ${profile}/no\nsetup = "
		"/bin\n"
		"[sandbox]\nroot = %s/root\nbind = %s/root/bin /mnt\n",
		files_dir, files_dir);
	file_write("a/r.ini", text);
	load_bad("r", -EINVAL);
	errors_are(&errors, "$/a/r.ini:2: command: /out: No such file or directory in $/root",
		"$/a/r.ini:3: setup: /mnt/data: not executable",
		"$/a/r.ini:4: setup: /trp/profile/no: No such file or directory in $/a/r",
		"$/a/r.ini:5: setup: /bin: not a regular file", NULL);
	/* nobody knows yet what the packages will bring */
	file_write("a/r.ini", "[service]\ncommand = /usr/sbin/nonexistent\n[sandbox]\nroot = "
			      "packages\npackages = nginx\n");
	profile_free(load_good("r"));
}

/* With root = host it is not enough that the host has it. */
static void test_programs_of_the_host(void **state)
{
	char path[256], text[1024], want[512];

	(void)state;
	snprintf(path, sizeof(path), "/var/tmp/trp-profile-%d", getpid()); /* /tmp is made at the start */
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/sh");
	assert_int_equal(trp_write_atomic(AT_FDCWD, path, "", 0, 0755), 0);
	for (int bound = 0; bound < 2; bound++) {
		snprintf(text, sizeof(text), "[service]\ncommand = %s\n", path);
		if (bound)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "[sandbox]\nbind = %.*s /var/tmp/trp-profile-%d\n", (int)strlen(path) - 3, path,
				getpid());
		file_write("a/host.ini", text);
		snprintf(want, sizeof(want),
			"$/a/host.ini:2: command: %s: with root = host only the host's /usr is seen inside, expected a program there or in a bind", path);
		if (bound) {
			profile_free(load_good("host"));
		} else {
			load_bad("host", -EINVAL);
			errors_are(&errors, want, NULL);
		}
	}
	unlink(path);
	path[strlen(path) - 3] = '\0';
	rmdir(path);
}

static void test_file_checks(void **state)
{
	static char big[65 * 1024 + 1];
	char path[256];

	(void)state;
	strcpy(path, file_path("a/web.ini"));
	file_write("a/web.ini", "[service]\ncommand = /bin/sh\n");
	chmod(path, 0664);
	load_bad("web", -EINVAL);
	errors_are(&errors,
		"$/a/web.ini: writable by others than its owner, who could change what is run; "
		"chmod go-w it",
		NULL);
	chmod(path, 0646);
	load_bad("web", -EINVAL);
	errors_are(&errors,
		"$/a/web.ini: writable by others than its owner, who could change what is run; "
		"chmod go-w it",
		NULL);
	chmod(path, 0600);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1234, 0), 0);
		load_bad("web", -EINVAL);
		errors_are(&errors,
			"$/a/web.ini: owned by somebody else, expected root or the user of this "
			"program as owner",
			NULL);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	profile_free(load_good("web"));

	memset(big, '#', sizeof(big) - 1);
	file_write("a/web.ini", big);
	load_bad("web", -EINVAL);
	errors_are(&errors, "$/a/web.ini: larger than 64 KiB", NULL);
	assert_int_equal(trp_write_atomic(AT_FDCWD, path, "[service]\n\0\n", 12, 0644), 0);
	load_bad("web", -EINVAL);
	errors_are(&errors,
		"$/a/web.ini:2: the byte 0x00 does not belong here, expected UTF-8 text without "
		"control characters",
		NULL);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	load_bad("web", -EINVAL);
	errors_are(&errors, "$/a/web.ini: not a regular file", NULL);
	unlink(path);
	assert_int_equal(symlink("nowhere", path), 0);
	load_bad("web", -EINVAL);
	errors_are(&errors, "$/a/web.ini: a link to a file that does not exist", NULL);
}

static void check_set(const char *const *services, size_t n, int expected)
{
	struct profile *set[40] = {0};

	for (size_t i = 0; i < n; i++)
		set[i] = load_good(services[i]);
	assert_int_equal(profile_check_set(set, n, &errors), expected);
	for (size_t i = 0; i < n; i++)
		profile_free(set[i]);
}

/* More than a start has room for: said when it is read. */
static void test_large(void **state)
{
	cleanup_free char *large = files_large_profile(PROFILE_MOUNTS_MAX + 1, PROFILE_VARS_MAX + 1, PROFILE_WORDS_MAX + 1);

	(void)state;
	file_write("a/web.ini", large);
	load_bad("web", -EINVAL);
	errors_are(&errors, "$/a/web.ini:1156: bind: more than 128 lines of bind and words of host-files, secret, state-at and use, all together",
		"$/a/web.ini:2: command: more than 1024 words, with those of setup and pre-stop",
		"$/a/web.ini:1670: V512: more than 512 variables in [environment]", NULL);
}

/* Written in place: half of it is no profile. */
static void test_read_while_written(void **state)
{
	struct profile *p;

	(void)state;
	file_write("a/web.ini", "[service]\ncommand = /bin/sh\n");
	strcpy(late_file, file_path("a/web.ini"));
	late_times = 1;
	p = load_good("web");
	assert_int_equal(late_times, 0);
	assert_int_equal(p->limit_memory, 64 << 20);
	profile_free(p);
	late_times = UINT_MAX;
	load_bad("web", -EINVAL);
	late_times = 0;
	errors_are(&errors, "$/a/web.ini: is being changed while it is read", NULL);
}

/* Who can write to a directory can take a file of it away, or put a link to another there. */
static void test_directory_checks(void **state)
{
	static const char *const dirs[] = {"a", "b", "b/web.ini.d"};
	static const char writable[] = "writable by others than its owner, who could change what is run; chmod go-w it";

	(void)state;
	file_write("a/other.ini", "[service]\ncommand = /bin/sh\n");
	file_write("b/web.ini", "[service]\ncommand = /bin/sh\n");
	file_write("b/web.ini.d/limits.ini", "[limits]\nmemory = 64M\n");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(dirs); i++) {
		char path[256], want[512];
		strcpy(path, file_path(dirs[i]));
		snprintf(want, sizeof(want), "$/%s: %s", dirs[i], writable);
		chmod(path, 0775);
		load_bad("web", -EINVAL);
		errors_are(&errors, want, NULL);
		chmod(path, 01777); /* as /tmp */
		profile_free(load_good("web"));
		chmod(path, 0755);
		snprintf(want, sizeof(want), "$/%s: owned by somebody else, expected root or the user of this program as owner", dirs[i]);
		if (geteuid() == 0) {
			assert_int_equal(chown(path, 1234, 0), 0);
			load_bad("web", -EINVAL);
			errors_are(&errors, want, NULL);
			assert_int_equal(chown(path, 0, 0), 0);
		}
	}
	profile_free(load_good("web"));
}

/* What runs by a profile goes on by it, also if it would be refused now; what follows from its values is there. */
static void test_load_again(void **state)
{
	static const char text[] = "[service]\ncommand = /nonexistent/program\nready = exit\n[timer]\ninterval = 1h\n[relay]\nbalance = source\n",
		      relay[] = "[service]\nadapter = relay\nuser = www\n[relay]\ntarget = 192.0.2.1\n", unknown[] = "[service]\ncomand = /bin/sh\n";
	const struct profile_paths paths = {.libexec = "/nonexistent/libexec"};
	struct profile_sources texts = {0};
	struct profile *p = NULL;

	(void)state;
	assert_int_equal(profile_sources_add(&texts, "x.ini", text, strlen(text), true), 0);
	assert_int_equal(profile_load_again(&paths, "x", &texts, &p, &errors), 0);
	assert_int_equal(p->restart, RESTART_NO);
	profile_free(p);
	profile_sources_free(&texts);
	assert_int_equal(profile_sources_add(&texts, "x.ini", relay, strlen(relay), true), 0);
	assert_int_equal(profile_load_again(&paths, "x", &texts, &p, &errors), 0);
	list_is(&p->command, "/nonexistent/libexec/trp-relay");
	profile_free(p);
	profile_sources_free(&texts);
	assert_int_equal(errors.n, 0);
	assert_int_equal(profile_sources_add(&texts, "x.ini", unknown, strlen(unknown), true), 0);
	assert_int_equal(profile_load_again(&paths, "x", &texts, &p, &errors), -EINVAL);
	profile_errors_free(&errors);
	profile_sources_free(&texts);
}

static void test_set_hosts(void **state)
{
	static const char *const names[] = {"one", "two", "three"};

	(void)state;
	file_write("a/one.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = a.org\n  "
				"*.a.org\nhttp = 80\ndefault = yes\n");
	file_write("a/two.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = b.org A.ORG.\nhttp "
				"= 81\ndefault = yes\n");
	file_write(
		"a/three.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = *.a.org\ntls = 81\n");
	check_set(names, 3, -EINVAL);
	errors_are(&errors,
		"$/a/two.ini:4: host: two claims 'a.org' for http, but one has it already at "
		"$/a/one.ini:4; a name has one "
		"owner",
		"$/a/two.ini:6: default: two claims the default for http, but one has it already "
		"at $/a/one.ini:7",
		NULL);
	/* other listeners: other names */
	file_write("a/one.ini.d/l.ini", "[route]\nlistener = lan dmz\n");
	file_write("a/two.ini.d/l.ini", "[route]\nlistener = wan\n");
	check_set(names, 3, 0);
	file_write("a/two.ini.d/l.ini", "[route]\nlistener = wan dmz\n");
	check_set(names, 3, -EINVAL);
	profile_errors_free(&errors);
}

/* Protocols without host names: no host is needed, and a listener has one service for each. */
static void test_nameless(void **state)
{
	static const char *const names[] = {"git", "mail", "db"};
	struct profile *p;

	(void)state;
	file_write("a/git.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = git.org\nhttp = 80\nssh = 22\n");
	file_write("a/mail.ini", "[service]\ncommand = /bin/sh\nready = listen\n[route]\nraw = 25\nssh = 2222\n");
	file_write("a/db.ini", "[service]\ncommand = /bin/sh\n[route]\npostgres = 5432\n");
	p = load_good("git");
	assert_true(profile_is_routed(p));
	assert_string_equal(profile_route_name(p, TRP_PROTO_HTTP1, 0), "git.org");
	assert_null(profile_route_name(p, TRP_PROTO_HTTP1, 1));
	assert_string_equal(profile_route_name(p, TRP_PROTO_SSH, 0), "");
	assert_null(profile_route_name(p, TRP_PROTO_SSH, 1));
	assert_null(profile_route_name(p, TRP_PROTO_TLS, 0));
	profile_free(p);
	check_set(names, 3, -EINVAL);
	errors_are(&errors,
		"$/a/mail.ini:6: ssh: mail claims it, but git has it already at $/a/git.ini:6; a protocol without host "
		"names has one owner for each listener (listener = NAME tells them apart)",
		NULL);
	file_write("a/mail.ini.d/l.ini", "[route]\nlistener = mail\n");
	file_write("a/git.ini.d/l.ini", "[route]\nlistener = git web\n");
	check_set(names, 3, 0);
}

/* Instances that share their names are one owner of them, to each other and to the rest. */
static void test_shared_hosts(void **state)
{
	static const char *const names[] = {"web@1", "web@2", "other", "web@3"};

	(void)state;
	file_write("a/web.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = a.org\nhttp = 80\nssh = 22\nshare = yes\n");
	file_write("a/other.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = b.org\nhttp = 80\n");
	check_set(names, 4, 0);
	file_write("a/other.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = a.org\nhttp = 80\n");
	check_set(names, 4, -EINVAL);
	errors_are(&errors,
		"$/a/other.ini:4: host: other claims 'a.org' for http, but web@1 has it already at $/a/web.ini:4; a name has one owner",
		NULL);
	file_write("a/other.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = b.org\nhttp = 80\n");
	file_write("a/web@2.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = c.org\nhttp = 80\nssh = 22\nshare = yes\n");
	check_set(names, 4, -EINVAL);
	errors_are(&errors, "$/a/web@2.ini:7: share: web@1 and web@2 must have the same host, default, listener and protocols", NULL);
	/* without share they are as any two */
	file_write("a/web@2.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = a.org\nhttp = 80\n");
	check_set(names, 4, -EINVAL);
	errors_are(&errors,
		"$/a/web@2.ini:4: host: web@2 claims 'a.org' for http, but web@1 has it already at $/a/web.ini:4; a name has one owner",
		NULL);
}

/* Names are compared as they are on the wire. */
/* The router spreads clients over so many; one more would get none. */
static void test_many_shared(void **state)
{
	char names[PROFILE_SHARE_MAX + 1][16];
	const char *list[PROFILE_SHARE_MAX + 1];

	(void)state;
	file_write("a/web.ini", "[service]\ncommand = /bin/sh\n[route]\nhost = a.org\nhttp = 80\nshare = yes\n");
	for (int i = 0; i <= PROFILE_SHARE_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "web@%d", i);
		list[i] = names[i];
	}
	check_set(list, PROFILE_SHARE_MAX, 0);
	check_set(list, PROFILE_SHARE_MAX + 1, -EINVAL);
	errors_are(&errors, "$/a/web.ini:6: share: more than 32 instances of web, over which clients could not be spread", NULL);
}

static void test_hosts(void **state)
{
	struct profile *p;

	(void)state;
	file_write("a/idn.ini", "[service]\ncommand = /bin/sh\n[route]\nhttp = 80\n"
				"host = B\xc3\x9c" "CHER.Example *.stra\xc3\x9f" "e.de xn--p1ai [2001:DB8::0:1]\n"
				"  \xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82jp\n");
	p = load_good("idn");
	list_is(&p->hosts, "xn--bcher-kva.example|*.xn--strae-oqa.de|xn--p1ai|[2001:db8::1]|xn--r8jz45g.jp");
	profile_free(p);
}

/* Each protocol has its key in [route]. */
static void test_route_keys(void **state)
{
	struct profile *p;
	char text[128];

	(void)state;
	for (size_t i = 0; i < TRP_PROTO_COUNT; i++) {
		snprintf(text, sizeof(text), "[service]\ncommand = /bin/sh\n[route]\n%s%s = 7\n",
			trp_protocol_has_names((enum trp_protocol)i) ? "host = a.org\n" : "", trp_protocol_words[i]);
		file_write("a/route.ini", text);
		p = load_good("route");
		for (size_t j = 0; j < TRP_PROTO_COUNT; j++)
			assert_int_equal(p->port[j], i == j ? 7 : 0);
		profile_free(p);
	}
}

/* What is shown of another, and its secrets, are there; a secret that is not would be one that the other does not know. */
static void test_set_shown(void **state)
{
	static const char *const names[] = {"db", "web"};

	(void)state;
	file_write("a/db.ini", "[service]\ncommand = /bin/sh\n[sandbox]\npublish = yes\nsecret = root\n");
	file_write("a/web.ini", "[service]\ncommand = /bin/sh\nrequires = db\n[sandbox]\nuse = db\nsecret = own db/root\n");
	check_set(names, 2, 0);
	file_write("a/db.ini", "[service]\ncommand = /bin/sh\n[sandbox]\nsecret = rooot\n");
	check_set(names, 2, -EINVAL);
	errors_are(&errors, "$/a/web.ini:5: use: 'db' shows nothing, expected publish = yes in $/a/db.ini",
		"$/a/web.ini:6: secret: 'db/root': there is no secret of that name in $/a/db.ini; did you mean 'rooot'?", NULL);
}

static void test_set_requires(void **state)
{
	static const char *const names[] = {"one", "two", "three", "web@x"};

	(void)state;
	file_write("a/one.ini", "[service]\ncommand = /bin/sh\nrequires = two\n");
	file_write("a/two.ini", "[service]\ncommand = /bin/sh\nafter = elsewhere three\n");
	file_write("a/three.ini", "[service]\ncommand = /bin/sh\nrequires = web@x\n");
	file_write("a/web.ini", "[service]\ncommand = /bin/sh\n");
	check_set(names, 4, 0);
	file_write("a/three.ini", "[service]\ncommand = /bin/sh\nrequires = web@y\n  nosuch\n");
	check_set(names, 4, -EINVAL);
	errors_are(&errors,
		"$/a/three.ini:3: requires: there is no service 'web@y'; did you mean 'web@x'?",
		"$/a/three.ini:3: requires: there is no service 'nosuch'", NULL);
	file_write("a/three.ini", "[service]\ncommand = /bin/sh\nrequires = one.service\n");
	check_set(names, 4, -EINVAL);
	errors_are(&errors, "$/a/three.ini:3: requires: there is no service 'one.service'; did you mean 'one'?", NULL);
	file_write("a/three.ini", "[service]\ncommand = /bin/sh\nrequires = one\n");
	check_set(names, 4, -EINVAL);
	errors_are(&errors,
		"$/a/one.ini:3: requires: the services wait for each other in a circle: one -> two "
		"-> three -> one",
		NULL);
}

/* What has changed, and what of it a service that runs can have at once. */
static void test_diff(void **state)
{
	struct strv live = {0}, restart = {0}, only = {0};
	struct profile *a, *b;

	(void)state;
	file_write("a/one.ini", "[service]\ncommand = /bin/sh -c \"exit 1\"\nrestart = always\n[route]\nhost = a.example b.example\nhttp = 80\n"
				"[limits]\nmemory = 64M\n[environment]\nA = 1\n");
	a = load_good("one");
	b = load_good("one");
	assert_int_equal(profile_diff(a, b, &live, &restart), 0);
	assert_int_equal(live.n + restart.n, 0);
	profile_free(b);
	file_write("a/one.ini", "[service]\ncommand = /bin/sh -c \"exit 2\"\n\nstart-timeout = 90s\n[route]\nhost = b.example c.example\nhttp = 80\n"
				"[limits]\nmemory = 32M\n[environment]\nA = 2\n");
	file_write("a/one.ini.d/x.ini", "[route]\nhost = d.example\n[service]\nstop-signal = INT\n");
	b = load_good("one");
	assert_int_equal(profile_diff(a, b, &live, &restart), 0);
	/* start-timeout is what it was by default; restart is what it is by default */
	list_is(&live, "restart|stop-signal|host|memory");
	list_is(&restart, "command|[environment]");
	/* memory may be left out */
	strv_push(&only, "host");
	strv_push(&only, "restart");
	assert_int_equal(profile_take_live(a, b, &only), 0);
	list_is(&a->hosts, "b.example|c.example|d.example");
	list_is(&b->hosts, "a.example|b.example");
	assert_int_equal(a->restart, RESTART_ON_FAILURE);
	assert_int_equal(a->limit_memory, 64 << 20);
	assert_int_equal(a->stop_signal, SIGTERM);
	list_is(&a->command, "/bin/sh|-c|exit 1");
	profile_free(b);
	/* places are its own: the file that it did not have is one of them now */
	assert_string_equal(a->host_where[2].file, file_path("a/one.ini.d/x.ini"));
	assert_int_equal(a->host_where[0].line, 6);
	strv_free(&live);
	strv_free(&restart);
	b = load_good("one");
	assert_int_equal(profile_diff(a, b, &live, &restart), 0);
	list_is(&live, "stop-signal|memory");
	strv_free(&live);
	strv_free(&restart);
	strv_free(&only);
	profile_free(a);
	profile_free(b);
}

/* What is not said, but follows from what a reload brings. */
static void test_take_timer(void **state)
{
	struct strv live = {0}, restart = {0};
	struct profile *a, *b;

	(void)state;
	file_write("a/one.ini", "[service]\ncommand = /bin/true\nready = exit\n");
	a = load_good("one");
	file_write("a/one.ini", "[service]\ncommand = /bin/true x\nready = exit\n[timer]\ninterval = 1h\n");
	b = load_good("one");
	assert_int_equal(profile_diff(a, b, &live, &restart), 0);
	assert_int_equal(profile_take_live(a, b, &live), 0);
	assert_int_equal(a->restart, RESTART_NO);
	profile_free(b);
	file_write("a/one.ini", "[service]\ncommand = /bin/true\nready = exit\n");
	b = load_good("one");
	assert_int_equal(profile_take_live(a, b, &live), 0);
	assert_int_equal(a->restart, RESTART_ON_FAILURE);
	strv_free(&live);
	strv_free(&restart);
	profile_free(a);
	profile_free(b);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, files_setup, files_teardown)
	const struct CMUnitTest tests[] = {
		T(test_defaults),
		T(test_diff),
		T(test_service_keys),
		T(test_other_keys),
		T(test_timer),
		T(test_lookup),
		T(test_lookup_of_what_cannot_be_seen),
		T(test_dropins_that_cannot_be_listed),
		T(test_set_shown),
		T(test_directory_checks),
		T(test_load_again),
		T(test_many_shared),
		T(test_take_timer),
		T(test_read_while_written),
		T(test_large),
		T(test_list),
		T(test_dropins),
		T(test_dropin_errors),
		T(test_include),
		T(test_include_limits),
		T(test_include_number),
		T(test_variables),
		T(test_programs), T(test_programs_of_the_host),
		T(test_file_checks),
		T(test_set_hosts),
		T(test_nameless),
		T(test_shared_hosts),
		T(test_route_keys),
		T(test_hosts),
		T(test_set_requires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
