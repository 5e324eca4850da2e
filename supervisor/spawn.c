/* SPDX-License-Identifier: ISC */
/* spawn.c: a service's sandbox from its profile: what is seen inside, as whom, with which limits. Runs in the daemon. */
#include "base/io.h"
#include "supervisor/relay.h"
#include "supervisor/secrets.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MOUNTS_MAX  256
#define STRINGS_MAX 1024

/* The description while it is being made. Strings live until free_builder(). */
struct builder {
	struct service *s;
	uid_t uid;
	gid_t gid;
	struct sandbox_mount mounts[MOUNTS_MAX];
	size_t n_mounts;
	char *strings[STRINGS_MAX];
	size_t n_strings;
	const char *argv[STRINGS_MAX];
	const char *envp[STRINGS_MAX];
	size_t n_argv, n_envp;
	bool overflow; /* something did not fit, or memory is out */
};

static void free_builder(struct builder *b)
{
	for (size_t i = 0; i < b->n_strings; i++) {
		explicit_bzero(b->strings[i], strlen(b->strings[i])); /* secrets are among them */
		free(b->strings[i]);
	}
	free(b);
}

/* Keeps a string for the builder's life; NULL (out of memory) is noted. */
static const char *keep(struct builder *b, char *text)
{
	if (!text || b->n_strings == STRINGS_MAX) {
		free(text);
		b->overflow = true;
		return "";
	}
	return b->strings[b->n_strings++] = text;
}

static struct sandbox_mount *add(struct builder *b, struct sandbox_mount m)
{
	if (b->n_mounts == MOUNTS_MAX) {
		b->overflow = true;
		return &b->mounts[0];
	}
	b->mounts[b->n_mounts] = m;
	return &b->mounts[b->n_mounts++];
}

static void add_bind(struct builder *b, const char *source, const char *target, bool writable)
{
	add(b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = source, .target = target, .writable = writable});
}

static void add_dir(struct builder *b, const char *target, mode_t mode, bool own)
{
	add(b, (struct sandbox_mount){.kind = SANDBOX_DIR,
		       .target = target,
		       .mode = mode,
		       .uid = own ? b->uid : 0,
		       .gid = own ? b->gid : 0});
}

static void add_data(struct builder *b, const char *target, const char *text, mode_t mode, bool own)
{
	add(b, (struct sandbox_mount){.kind = SANDBOX_DATA,
		       .target = target,
		       .data = text,
		       .data_len = strlen(text),
		       .mode = mode,
		       .uid = own ? b->uid : 0,
		       .gid = own ? b->gid : 0});
}

static void add_env(struct builder *b, const char *name, const char *value)
{
	if (b->n_envp >= STRINGS_MAX - 1) {
		b->overflow = true;
		return;
	}
	b->envp[b->n_envp++] = keep(b, trp_asprintf("%s=%s", name, value));
}

/* What the profile does not say itself. */
static void add_default(struct builder *b, const char *name, const char *value)
{
	for (size_t i = 0; i < b->s->profile->n_env; i++)
		if (strcmp(b->s->profile->env[i].name, name) == 0)
			return;
	add_env(b, name, value);
}

/* What of the host's /etc programs need to run at all; nothing that tells about people, keys or other services. */
static const char *const host_etc[] = {"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "nsswitch.conf", "host.conf",
	"protocols", "services", "localtime", "timezone", "mime.types", "alternatives", "debian_version", "os-release",
	"ssl/certs", "ssl/openssl.cnf", "ca-certificates.conf", "magic", "php", "perl", "python3", "java-17-openjdk",
	"fonts"};

static void host_root(struct builder *b)
{
	static const char *const links[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
	const struct profile *p = b->s->profile;
	char text[256];

	add_bind(b, "/usr", "/usr", false);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(links); i++) {
		const char *path = keep(b, trp_asprintf("/%s", links[i]));
		ssize_t n = readlink(path, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			add(b, (struct sandbox_mount){
				       .kind = SANDBOX_SYMLINK, .source = keep(b, strdup(text)), .target = path});
		} else if (errno == EINVAL) {
			add_bind(b, path, path, false); /* a host without merged /usr */
		}
	}
	add_dir(b, "/etc", 0755, false);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(host_etc); i++) {
		const char *path = keep(b, trp_asprintf("/etc/%s", host_etc[i]));
		add(b, (struct sandbox_mount){
			       .kind = SANDBOX_BIND, .source = path, .target = path, .optional = true});
	}
	for (size_t i = 0; i < p->host_files.n; i++)
		add_bind(b, p->host_files.v[i], p->host_files.v[i], false);
	/* the accounts of the host are nobody's business: root, nobody and the service's own */
	add_data(b, "/etc/passwd",
		keep(b, trp_asprintf("root:x:0:0:root:/:/usr/sbin/nologin\n"
				     "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
				     "%s:x:%u:%u::/trp/state:/usr/sbin/nologin\n",
				p->user[0] >= '0' && p->user[0] <= '9' ? "service" : p->user, b->uid, b->gid)),
		0644, false);
	add_data(b, "/etc/group",
		keep(b, trp_asprintf("root:x:0:\nnogroup:x:65534:\n%s:x:%u:\n", p->group ? p->group : "service", b->gid)),
		0644, false);
	add_data(b, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0644, false);
}

static int add_secrets(struct builder *b)
{
	const struct profile *p = b->s->profile;
	char value[SECRET_LEN + 1];

	if (p->n_secrets > 0)
		add_dir(b, "/trp/secrets", 0755, false);
	for (size_t i = 0; i < p->n_secrets; i++) {
		const struct profile_secret *secret = &p->secrets[i];
		int r = secret_get(b->s->d->config->state_dir, secret->service ? secret->service : b->s->name,
			secret->name, value);
		if (r < 0) {
			snprintf(b->s->message, sizeof(b->s->message), "%s:%u: secret: %s: %s", secret->where.file,
				secret->where.line, secret->name, strerror(-r));
			return r;
		}
		add_data(b, keep(b, trp_asprintf("/trp/secrets/%s", secret->name)), keep(b, strdup(value)), 0400, true);
	}
	explicit_bzero(value, sizeof(value));
	return 0;
}

/* /trp: what trpsup adds to a root, in one place. */
static int add_trp(struct builder *b)
{
	struct service *s = b->s;
	const struct profile *p = s->profile;
	const char *state = keep(b, prepare_state_dir(s));

	add_dir(b, "/trp", 0755, false);
	if (p->state)
		add_bind(b, state, "/trp/state", true);
	for (size_t i = 0; i < p->state_at.n; i++) {
		const char *word = p->state_at.v[i], *target = strchr(word, ':') + 1;
		add_bind(b, keep(b, trp_asprintf("%s/%.*s", state, (int)(target - 1 - word), word)), target, true);
	}
	if (p->files_dir)
		add_bind(b, p->files_dir, "/trp/profile", false);
	if (p->publish)
		add_bind(b, keep(b, prepare_publish_dir(s->d, s->name)), "/trp/publish", true);
	for (size_t i = 0; i < p->use.n; i++)
		add_bind(b, keep(b, prepare_publish_dir(s->d, p->use.v[i])),
			keep(b, trp_asprintf("/trp/use/%s", p->use.v[i])), false);
	if (s->run.notify >= 0) {
		const char *run = keep(b, prepare_run_dir(s));
		add_bind(b, keep(b, trp_asprintf("%s/notify", run)), "/trp/notify", true);
	}
	/* ${runtime}, for pid files and sockets */
	add_dir(b, keep(b, trp_asprintf("/run/%s", p->id)), 0755, true);
	return add_secrets(b);
}

/* glibc reads the file, musl the variable; glibc loads a library that is named in both once. */
static void add_adapter(struct builder *b)
{
	if (b->s->adapter != ADAPTER_PRELOAD)
		return;
	add_bind(b, keep(b, trp_asprintf("%s/preload.so", config_libexec())), "/trp/preload.so", false);
	add_data(b, "/etc/ld.so.preload", "/trp/preload.so\n", 0644, false);
	add_env(b, "LD_PRELOAD", "/trp/preload.so");
}

static void add_mounts(struct builder *b)
{
	const struct profile *p = b->s->profile;

	if (p->root == ROOT_HOST)
		host_root(b);
	if (p->root == ROOT_NONE) /* a static program of ours: alone in its root */
		add_bind(b, keep(b, strdup(config_libexec())), config_libexec(), false);
	for (size_t i = 0; i < p->n_binds; i++)
		add(b, (struct sandbox_mount){.kind = SANDBOX_BIND,
			       .source = p->binds[i].source,
			       .target = p->binds[i].target,
			       .writable = p->binds[i].writable,
			       .noexec = p->binds[i].noexec,
			       .optional = p->binds[i].optional});
}

static void add_command(struct builder *b, const struct strv *command)
{
	if (b->n_argv + command->n + 2 >= STRINGS_MAX) {
		b->overflow = true;
		return;
	}
	b->argv[b->n_argv++] = keep(b, trp_asprintf("%zu", command->n));
	for (size_t i = 0; i < command->n; i++)
		b->argv[b->n_argv++] = command->v[i];
}

static void add_program(struct builder *b)
{
	const struct profile *p = b->s->profile;

	b->argv[b->n_argv++] = "trp-init";
	b->argv[b->n_argv++] = keep(b, trp_asprintf("%zu", p->n_setup + 1));
	for (size_t i = 0; i < p->n_setup; i++)
		add_command(b, &p->setup[i]);
	add_command(b, &p->command);

	for (size_t i = 0; i < p->n_env; i++)
		add_env(b, p->env[i].name, p->env[i].value);
	add_default(b, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	add_default(b, "LANG", "C.UTF-8");
	add_default(b, "HOME", p->state ? "/trp/state" : "/");
	add_default(b, "TMPDIR", "/tmp");
	add_default(b, "TRP_SERVICE", p->service);
	add_default(b, "RUNTIME_DIRECTORY", keep(b, trp_asprintf("/run/%s", p->id)));
	if (p->state)
		add_default(b, "STATE_DIRECTORY", "/trp/state");
	if (b->s->run.notify >= 0)
		add_default(b, "NOTIFY_SOCKET", "/trp/notify");
}

static int build(struct builder *b)
{
	int r;

	add_mounts(b);
	r = add_trp(b);
	if (r < 0)
		return r;
	add_adapter(b);
	add_program(b);
	return b->overflow ? -E2BIG : 0;
}

static int run_spec(struct builder *b, const int out_err[2], int control, int notify)
{
	struct service *s = b->s;
	const struct profile *p = s->profile;
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct sandbox_fd fds[] = {{null, 0}, {out_err[0], 1}, {out_err[1], 2}, {control, TRP_INIT_CONTROL_FD},
		{notify, TRP_INIT_NOTIFY_FD}};
	struct sandbox_rlimit limits[4] = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, p->limit_open_files}};
	size_t n_limits = 2;

	if (null < 0)
		return -errno;
	if (p->limit_file_size != UINT64_MAX)
		limits[n_limits++] = (struct sandbox_rlimit){RLIMIT_FSIZE, p->limit_file_size};
	const struct sandbox_spec spec = {.name = s->name,
		.hostname = p->id,
		.uid_base = s->uid_base,
		.uid_count = IDS_RANGE,
		.uid = b->uid,
		.gid = b->gid,
		.root = s->root,
		.root_idmap = s->root != NULL,
		.tmp_size = p->tmp_size,
		.mounts = b->mounts,
		.n_mounts = b->n_mounts,
		.argv = b->argv,
		.envp = b->envp,
		.exec_fd = s->d->init_exec_fd,
		.cwd = p->working_directory,
		.fds = fds,
		.n_fds = TRP_ARRAY_SIZE(fds) - (notify < 0),
		.rlimits = limits,
		.n_rlimits = n_limits,
		.oom_score_adj = 200,
		.first_unprivileged_port = 0,
		.cgroup = s->has_cgroup ? &s->cgroup : NULL,
		.seccomp = &s->seccomp,
		.landlock_optional = strv_has(&p->allow_missing, "landlock")};
	return sandbox_spawn(&spec, &s->run.box, &s->run.failure);
}

int spawn_sandbox(struct service *s, const int out_err[2], int control, int notify)
{
	struct builder *b;
	int r;

	if (s->adapter == ADAPTER_RELAY)
		return relay_spawn(s, out_err, control);
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->s = s;
	r = prepare_user(s, &b->uid, &b->gid);
	/* so that a program may open /dev/stdout by name, as web servers do for their logs */
	for (int i = 0; i < 2 && r == 0; i++)
		if (fchown(out_err[i], s->uid_base + b->uid, s->uid_base + b->gid) < 0)
			r = -errno;
	if (r == 0)
		r = build(b);
	if (r == 0)
		r = run_spec(b, out_err, control, notify);
	free_builder(b);
	return r;
}
