/* SPDX-License-Identifier: ISC */
#include "sandbox/program.h"
#include "base/util.h"
#include "sandbox/openat2.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SCRIPTS_MAX 4 /* a script whose interpreter is a script ... */
#define NOTES_MAX   16
#define HEADERS_MAX 64
#define TEXT_MAX    256

#if defined(__x86_64__)
#define ELF_HERE EM_X86_64
#elif defined(__aarch64__)
#define ELF_HERE EM_AARCH64
#else
#error "which machine is this in ELF?"
#endif

static int open_program(int root_fd, const char *path)
{
	struct stat st;
	int fd = trp_openat2(root_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EACCES; /* as execve(2) says */
	}
	return fd;
}

/* Exactly len bytes at offset, or false. */
static bool read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	return offset <= INT64_MAX - len && pread(fd, buf, len, (off_t)offset) == (ssize_t)len;
}

/* ELF notes are (namesz, descsz, type, name, desc), one behind the other; Go's linker names its own "Go", and that of the C
 * library, when it is used too, puts others before it. */
static bool has_go_note(int fd, const Elf64_Phdr *ph)
{
	const uint64_t align = ph->p_align == 8 ? 8 : 4;
	uint64_t at = 0;
	Elf64_Nhdr note;
	char name[4];

	for (int i = 0; i < NOTES_MAX && at < ph->p_filesz && ph->p_filesz - at >= sizeof(note) + sizeof(name); i++) {
		if (!read_at(fd, &note, sizeof(note), ph->p_offset + at) ||
			!read_at(fd, name, sizeof(name), ph->p_offset + at + sizeof(note)))
			return false;
		if (note.n_namesz == sizeof(name) && memcmp(name, "Go\0\0", sizeof(name)) == 0)
			return true;
		at += sizeof(note) + ((note.n_namesz + align - 1) & -align) + ((note.n_descsz + align - 1) & -align);
	}
	return false;
}

/* interpreter: "" if there is none */
static bool look_at_headers(int fd, const Elf64_Ehdr *eh, char interpreter[TEXT_MAX], bool *go)
{
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum > HEADERS_MAX)
		return false;
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;
		if (!read_at(fd, &ph, sizeof(ph), eh->e_phoff + i * sizeof(ph)))
			return false;
		if (ph.p_type == PT_INTERP) {
			if (ph.p_filesz < 2 || ph.p_filesz > TEXT_MAX ||
				!read_at(fd, interpreter, (size_t)ph.p_filesz, ph.p_offset))
				return false;
			interpreter[ph.p_filesz - 1] = '\0';
		}
		if (ph.p_type == PT_NOTE && has_go_note(fd, &ph))
			*go = true;
	}
	return true;
}

static void find(struct program_finding *f, enum program_kind kind, const char *path, const char *what)
{
	f->kind = kind;
	snprintf(f->why, sizeof(f->why), "%.120s %s", path, what);
}

static void look_at_elf(int fd, const char *path, struct program_finding *f)
{
	char interpreter[TEXT_MAX] = "";
	bool go = false;
	Elf64_Ehdr eh;

	if (!read_at(fd, &eh, sizeof(eh), 0) || eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != ELF_HERE ||
		!look_at_headers(fd, &eh, interpreter, &go))
		find(f, PROGRAM_OTHER, path, "is not a program of this machine");
	else if (go)
		find(f, PROGRAM_GO, path, "is a Go program, which makes its system calls itself");
	else if (!interpreter[0])
		find(f, PROGRAM_STATIC, path, "is statically linked");
	else if (strstr(interpreter, "/ld-musl-"))
		find(f, PROGRAM_MUSL, path, "is linked against musl");
	else
		find(f, PROGRAM_GLIBC, path, "is linked against glibc");
}

/* "#!/usr/bin/env NAME": where NAME is found in the usual places. */
static bool find_in_path(int root_fd, const char *name, char out[TEXT_MAX])
{
	static const char *const dirs[] = {"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(dirs); i++) {
		if ((size_t)snprintf(out, TEXT_MAX, "%s/%s", dirs[i], name) >= TEXT_MAX)
			return false;
		cleanup_close int fd = open_program(root_fd, out);
		if (fd >= 0)
			return true;
	}
	return false;
}

/* The interpreter of a script's first line; false: it has none that can be found. */
static bool interpreter_of(int root_fd, char *line, char out[TEXT_MAX])
{
	char *save, *word = strtok_r(line + 2, " \t", &save);

	if (!word || word[0] != '/' || strlen(word) >= TEXT_MAX)
		return false;
	if (strcmp(word, "/usr/bin/env") == 0 || strcmp(word, "/bin/env") == 0) {
		do
			word = strtok_r(NULL, " \t", &save);
		while (word && (word[0] == '-' || strchr(word, '=')));
		return word && !strchr(word, '/') && find_in_path(root_fd, word, out);
	}
	strcpy(out, word);
	return true;
}

int program_look(int root_fd, const char *path, struct program_finding *ret)
{
	char at[TEXT_MAX], next[TEXT_MAX], line[TEXT_MAX];

	if (strlen(path) >= sizeof(at))
		return -ENAMETOOLONG;
	strcpy(at, path);
	for (int depth = 0; depth <= SCRIPTS_MAX; depth++) {
		cleanup_close int fd = open_program(root_fd, at);
		ssize_t n;
		if (fd < 0)
			return fd;
		n = pread(fd, line, sizeof(line) - 1, 0);
		if (n < 0)
			return -errno;
		line[n] = '\0';
		if (n >= SELFMAG && memcmp(line, ELFMAG, SELFMAG) == 0) {
			look_at_elf(fd, at, ret);
			return 0;
		}
		line[strcspn(line, "\r\n")] = '\0';
		if (strncmp(line, "#!", 2) != 0 || !interpreter_of(root_fd, line, next))
			break;
		strcpy(at, next);
	}
	find(ret, PROGRAM_OTHER, at, "is neither a program nor a script");
	return 0;
}
