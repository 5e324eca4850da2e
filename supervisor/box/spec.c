/* SPDX-License-Identifier: ISC */
/* spec.c: a service's sandbox from its profile: what is seen inside, as whom, with which limits. */
#include "supervisor/box/spec.h"
#include "supervisor/profile/config.h"
#include "supervisor/profile/envfile.h"
#include "supervisor/profile/keys.h"
#include "supervisor/secrets.h"

#include <string.h>

/* Queued signals, and timers that send one. The kernel finds the timers of all processes in one small table, whose chains everybody's
 * timer calls walk: the usual limit (a few for each MiB of memory) makes them slow for all. */
#define SIGNALS_MAX 4096

void box_free(struct box *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_strings; i++) {
		explicit_bzero(b->strings[i], strlen(b->strings[i])); /* secrets are among them */
		free(b->strings[i]);
	}
	free(b);
}

const char *box_keep(struct box *b, char *text)
{
	if (!text || b->n_strings == STRINGS_MAX) {
		free(text);
		b->overflow = true;
		return "";
	}
	return b->strings[b->n_strings++] = text;
}

struct sandbox_mount *box_add(struct box *b, struct sandbox_mount m)
{
	if (b->n_mounts == MOUNTS_MAX) {
		b->overflow = true;
		return &b->mounts[0];
	}
	b->mounts[b->n_mounts] = m;
	return &b->mounts[b->n_mounts++];
}

/* Programs and scripts. */
static void add_bind(struct box *b, const char *source, const char *target)
{
	box_add(b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = source, .target = target});
}

/* What is only read, or written. */
static void add_data_bind(struct box *b, const char *source, const char *target, bool writable)
{
	box_add(b, (struct sandbox_mount){
			   .kind = SANDBOX_BIND, .source = source, .target = target, .writable = writable, .noexec = true});
}

static void add_state(struct box *b, const char *source, const char *target)
{
	box_add(b, (struct sandbox_mount){.kind = SANDBOX_BIND,
			   .source = source,
			   .target = target,
			   .writable = true,
			   .noexec = !strv_has(&b->site.profile->exec_from, "state")});
}

static void add_dir(struct box *b, const char *target, mode_t mode, bool own)
{
	box_add(b, (struct sandbox_mount){.kind = SANDBOX_DIR,
		       .target = target,
		       .mode = mode,
		       .uid = own ? b->site.uid : 0,
		       .gid = own ? b->site.gid : 0});
}

static void add_data(struct box *b, const char *target, const char *text, mode_t mode, bool own)
{
	box_add(b, (struct sandbox_mount){.kind = SANDBOX_DATA,
		       .target = target,
		       .data = text,
		       .data_len = strlen(text),
		       .mode = mode,
		       .uid = own ? b->site.uid : 0,
		       .gid = own ? b->site.gid : 0});
}

static void add_env(struct box *b, const char *name, const char *value)
{
	if (b->n_envp >= STRINGS_MAX - 1) {
		b->overflow = true;
		return;
	}
	b->envp[b->n_envp++] = box_keep(b, trp_asprintf("%s=%s", name, value));
}

/* What the profile does not say itself. */
static void add_default(struct box *b, const char *name, const char *value)
{
	if (!env_set_find(&b->site.profile->env, name) && !(b->site.env && env_set_find(b->site.env, name)))
		add_env(b, name, value);
}

/* What the files say goes before what the profile says. */
static void add_environment(struct box *b)
{
	const struct env_set *own = &b->site.profile->env, *files = b->site.env;

	for (size_t i = 0; i < own->n; i++)
		if (!files || !env_set_find(files, own->v[i].name))
			add_env(b, own->v[i].name, own->v[i].value);
	for (size_t i = 0; files && i < files->n; i++)
		add_env(b, files->v[i].name, files->v[i].value);
}

/* What of the host's /etc programs need to run at all; nothing that tells about people, keys or other services. */
static const char *const host_etc[] = {"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "nsswitch.conf", "host.conf",
	"protocols", "services", "localtime", "timezone", "mime.types", "alternatives", "debian_version", "os-release",
	"ssl/certs", "ssl/openssl.cnf", "ca-certificates.conf", "magic", "php", "perl", "python3", "java-17-openjdk",
	"fonts"};

static void host_root(struct box *b)
{
	static const char *const links[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
	const struct profile *p = b->site.profile;
	char text[256];

	add_bind(b, "/usr", "/usr");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(links); i++) {
		const char *path = box_keep(b, trp_asprintf("/%s", links[i]));
		ssize_t n = readlink(path, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			box_add(b, (struct sandbox_mount){
				       .kind = SANDBOX_SYMLINK, .source = box_keep(b, strdup(text)), .target = path});
		} else if (errno == EINVAL) {
			add_bind(b, path, path); /* a host without merged /usr */
		}
	}
	add_dir(b, "/etc", 0755, false);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(host_etc); i++) {
		const char *path = box_keep(b, trp_asprintf("/etc/%s", host_etc[i]));
		box_add(b, (struct sandbox_mount){
			       .kind = SANDBOX_BIND, .source = path, .target = path, .noexec = true, .optional = true});
	}
	for (size_t i = 0; i < p->host_files.n; i++)
		add_data_bind(b, p->host_files.v[i], p->host_files.v[i], false);
	/* the accounts of the host are nobody's business: root, nobody and the service's own */
	add_data(b, "/etc/passwd",
		box_keep(b, trp_asprintf("root:x:0:0:root:/:/usr/sbin/nologin\n"
				     "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
				     "%s:x:%u:%u::/trp/state:/usr/sbin/nologin\n",
				p->user[0] >= '0' && p->user[0] <= '9' ? "service" : p->user, b->site.uid, b->site.gid)),
		0644, false);
	add_data(b, "/etc/group",
		box_keep(b, trp_asprintf("root:x:0:\nnogroup:x:65534:\n%s:x:%u:\n", p->group ? p->group : "service", b->site.gid)),
		0644, false);
	add_data(b, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0644, false);
}

static int add_secrets(struct box *b)
{
	const struct profile *p = b->site.profile;
	char value[SECRET_LEN + 1] = "";
	int r = 0;

	if (p->n_secrets > 0)
		add_dir(b, "/trp/secrets", 0755, false);
	for (size_t i = 0; i < p->n_secrets && r == 0; i++) {
		const struct profile_secret *secret = &p->secrets[i];
		if (b->site.secret)
			r = b->site.secret(b->site.data, secret, value);
		if (r == 0)
			add_data(b, box_keep(b, trp_asprintf("/trp/secrets/%s", secret->name)), box_keep(b, strdup(value)), 0400, true);
	}
	explicit_bzero(value, sizeof(value));
	return r;
}

/* /trp: what trpsup adds to a root, in one place. */
static int add_trp(struct box *b)
{
	const struct profile *p = b->site.profile;
	const char *state = box_keep(b, box_state_dir(b->site.state_dir, b->site.service));

	add_dir(b, "/trp", 0755, false);
	if (p->state)
		add_state(b, state, "/trp/state");
	for (size_t i = 0; i < p->state_at.n; i++) {
		const char *word = p->state_at.v[i], *target = strchr(word, ':') + 1;
		add_state(b, box_keep(b, trp_asprintf("%s/%.*s", state, (int)(target - 1 - word), word)), target);
	}
	if (p->files_dir)
		add_bind(b, p->files_dir, "/trp/profile");
	if (p->publish)
		add_data_bind(b, box_keep(b, box_publish_dir(b->site.run_dir, b->site.service)), "/trp/publish", true);
	for (size_t i = 0; i < p->use.n; i++)
		add_data_bind(b, box_keep(b, box_publish_dir(b->site.run_dir, p->use.v[i])),
			box_keep(b, trp_asprintf("/trp/use/%s", p->use.v[i])), false);
	if (p->ready == READY_NOTIFY) {
		const char *run = box_keep(b, box_run_dir(b->site.run_dir, b->site.run_name ? b->site.run_name : b->site.service));
		add_data_bind(b, box_keep(b, trp_asprintf("%s/notify", run)), "/trp/notify", true);
	}
	/* ${runtime}, for pid files and sockets */
	add_dir(b, box_keep(b, trp_asprintf("/run/%s", p->id)), 0755, true);
	if (p->n_credentials > 0)
		box_add(b, (struct sandbox_mount){.kind = SANDBOX_MOUNTED, .target = "/trp/credentials", .tree = b->site.credentials});
	return add_secrets(b);
}

/* glibc reads the file, musl the variable; glibc loads a library that is named in both once. */
static void add_adapter(struct box *b)
{
	if (b->site.adapter != ADAPTER_PRELOAD)
		return;
	add_bind(b, box_keep(b, trp_asprintf("%s/preload.so", config_libexec())), "/trp/preload.so");
	add_data(b, "/etc/ld.so.preload", "/trp/preload.so\n", 0644, false);
	add_env(b, "LD_PRELOAD", "/trp/preload.so");
}

static void add_mounts(struct box *b)
{
	const struct profile *p = b->site.profile;

	if (p->root == ROOT_HOST)
		host_root(b);
	if (p->root == ROOT_NONE) /* a static program of ours: alone in its root */
		add_bind(b, box_keep(b, strdup(config_libexec())), config_libexec());
	for (size_t i = 0; i < p->n_binds; i++)
		box_add(b, (struct sandbox_mount){.kind = SANDBOX_BIND,
			       .source = p->binds[i].source,
			       .target = p->binds[i].target,
			       .writable = p->binds[i].writable,
			       .noexec = p->binds[i].noexec,
			       .optional = p->binds[i].optional});
}

static void add_command(struct box *b, const struct strv *command)
{
	if (b->n_argv + command->n + 2 >= STRINGS_MAX) {
		b->overflow = true;
		return;
	}
	b->argv[b->n_argv++] = box_keep(b, trp_asprintf("%zu", command->n));
	for (size_t i = 0; i < command->n; i++)
		b->argv[b->n_argv++] = command->v[i];
}

static void add_program(struct box *b)
{
	const struct profile *p = b->site.profile;

	b->argv[b->n_argv++] = "trp-init";
	if (p->ready == READY_FD)
		b->argv[b->n_argv++] = box_keep(b, trp_asprintf("fd:%u", p->ready_fd));
	if (p->pid_file)
		b->argv[b->n_argv++] = p->pid_file;
	b->argv[b->n_argv++] = box_keep(b, trp_asprintf("%zu", p->setup.n + 1));
	b->argv[b->n_argv++] = box_keep(b, trp_asprintf("%zu", p->pre_stop.n));
	for (size_t i = 0; i < p->setup.n; i++)
		add_command(b, &p->setup.v[i]);
	add_command(b, &p->command);
	for (size_t i = 0; i < p->pre_stop.n; i++)
		add_command(b, &p->pre_stop.v[i]);

	add_environment(b);
	add_default(b, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	add_default(b, "LANG", "C.UTF-8");
	add_default(b, "HOME", p->state ? "/trp/state" : "/");
	add_default(b, "TMPDIR", "/tmp");
	add_default(b, "TRP_SERVICE", p->service);
	add_default(b, "RUNTIME_DIRECTORY", box_keep(b, trp_asprintf("/run/%s", p->id)));
	if (p->state)
		add_default(b, "STATE_DIRECTORY", "/trp/state");
	if (p->n_credentials > 0)
		add_default(b, "CREDENTIALS_DIRECTORY", "/trp/credentials");
	if (p->ready == READY_NOTIFY)
		add_default(b, "NOTIFY_SOCKET", "/trp/notify");
	if (p->watchdog_ms > 0)
		add_default(b, "WATCHDOG_USEC", box_keep(b, trp_asprintf("%llu", (unsigned long long)p->watchdog_ms * 1000u)));
}

static unsigned exec_from(const struct profile *p)
{
	static const struct {
		const char *word;
		unsigned where;
	} words[] = {{"tmp", SANDBOX_EXEC_TMP}, {"run", SANDBOX_EXEC_RUN}, {"shm", SANDBOX_EXEC_SHM}};
	unsigned all = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(words); i++)
		if (strv_has(&p->exec_from, words[i].word))
			all |= words[i].where;
	return all;
}

/* Last: it points to what was collected. */
static void fill_spec(struct box *b)
{
	const struct box_site *site = &b->site;
	const struct profile *p = site->profile;

	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_CORE, SANDBOX_NO_CORE};
	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_NOFILE, p->limit_open_files};
	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_SIGPENDING, SIGNALS_MAX};
	/* whatever trpsupd was started with */
	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_NICE, 0};
	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_RTPRIO, 0};
	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_MEMLOCK, box_locked_memory(p)};
	if (p->limit_file_size != UINT64_MAX)
		b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_FSIZE, p->limit_file_size};
	b->spec = (struct sandbox_spec){.name = site->service,
		.hostname = p->id,
		.uid_base = site->uid_base,
		.uid_count = IDS_RANGE,
		.uid = site->uid,
		.gid = site->gid,
		.root = site->root,
		.root_idmap = site->root != NULL,
		.tmp_size = p->tmp_size,
		.exec_from = exec_from(p),
		.user_namespaces = p->user_namespaces,
		.proc_pid = p->proc == PROC_PID,
		.memory_deny_write_execute = p->memory_deny_write_execute,
		.mounts = b->mounts,
		.n_mounts = b->n_mounts,
		.argv = b->argv,
		.envp = b->envp,
		.exec_fd = -1,
		.cwd = p->working_directory,
		.rlimits = b->rlimits,
		.n_rlimits = b->n_rlimits,
		.oom_score_adj = BOX_OOM_SCORE,
		.scheduling = (enum sandbox_scheduling)p->limit_scheduling,
		.first_unprivileged_port = 0,
		.own_all_addresses = site->adapter == ADAPTER_LOOPBACK,
		.cgroup = site->cgroup,
		.seccomp = site->seccomp,
		.landlock_optional = strv_has(&p->allow_missing, "landlock")};
}

static int build(struct box *b)
{
	int r;

	add_mounts(b);
	r = add_trp(b);
	if (r < 0)
		return r;
	add_adapter(b);
	add_program(b);
	fill_spec(b);
	return 0;
}

/* fill: what makes it; 0 or -errno */
static int make(const struct box_site *site, int (*fill)(struct box *b), struct box **ret)
{
	struct box *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->site = *site;
	r = fill(b);
	if (r == 0 && b->overflow)
		r = -E2BIG;
	if (r < 0)
		box_free(b);
	else
		*ret = b;
	return r;
}

int box_make(const struct box_site *site, struct box **ret)
{
	return make(site, site->adapter == ADAPTER_RELAY ? box_fill_relay : build, ret);
}

int box_make_loopback(const struct box_site *site, struct box **ret)
{
	return make(site, box_fill_loopback, ret);
}

int box_filter_words(const struct profile *p, const struct strv *syscalls, struct strv *ret)
{
	const struct {
		bool wanted;
		const char *word;
	} words[] = {
		{strv_has(&p->architectures, "x86"), SECCOMP_WORD_X86},
		{strv_has(&p->exec_from, "memfd"), SECCOMP_WORD_MEMFD_EXEC},
		{p->user_namespaces, SECCOMP_WORD_NAMESPACES},
		{p->user_namespaces, "unshare"},
		{p->user_namespaces, "setns"},
		{p->user_namespaces, "chroot"},
		{p->memory_deny_write_execute && !sandbox_has_mdwe(), SECCOMP_WORD_NO_WRITE_EXECUTE},
		{p->memory_deny_write_execute, SECCOMP_WORD_NO_SECOND_MAPPING},
	};
	struct strv all = {0};
	int r = 0;

	for (size_t i = 0; i < syscalls->n && r == 0; i++)
		r = strv_push(&all, syscalls->v[i]);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(words) && r == 0; i++)
		if (words[i].wanted)
			r = strv_push(&all, words[i].word);
	if (r < 0)
		strv_free(&all);
	else
		*ret = all;
	return r;
}

const struct sandbox_spec *box_spec(const struct box *box)
{
	return &box->spec;
}

struct cgroup_limits box_limits(const struct profile *p)
{
	struct cgroup_limits limits = {
		.pids = p->limit_processes, .memory = p->limit_memory, .oom_group = p->limit_oom == OOM_KILL, .cpu_permille = p->limit_cpu_permille,
		.cpu_weight = (uint32_t)p->limit_cpu_weight};

	for (int i = 0; i < CGROUP_IO_LIMITS; i++)
		limits.io.limit[i] = p->limit_io[i] == CGROUP_UNLIMITED ? 0 : p->limit_io[i];
	return limits;
}

uint64_t box_locked_memory(const struct profile *p)
{
	struct rlimit ours;

	if (profile_where(p, "limits", "locked-memory").line > 0 || getrlimit(RLIMIT_MEMLOCK, &ours) < 0)
		return p->limit_locked;
	return p->limit_locked < ours.rlim_max ? p->limit_locked : ours.rlim_max;
}

char *box_state_dir(const char *state_dir, const char *service)
{
	return trp_asprintf("%s/state/%s", state_dir, service);
}

char *box_run_dir(const char *run_dir, const char *service)
{
	return trp_asprintf("%s/services/%s", run_dir, service);
}

char *box_publish_dir(const char *run_dir, const char *service)
{
	return trp_asprintf("%s/services/%s/publish", run_dir, service);
}
