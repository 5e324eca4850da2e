/* SPDX-License-Identifier: ISC */
/* Which adapter for which program: files of every kind, damaged ones, and those of this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "sandbox/program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64];
static int root = -1;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/trpsup-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[100];
	snprintf(path, sizeof(path), "%s/usr/bin", dir);
	return trp_mkdir_p(path, 0755);
}

static int teardown(void **state)
{
	(void)state;
	trp_close(&root);
	return trp_remove_tree(AT_FDCWD, dir);
}

static void put(const char *name, const void *bytes, size_t len)
{
	assert_int_equal(trp_write_atomic(root, name, bytes, len, 0755), 0);
}

static enum program_kind look(const char *path)
{
	struct program_finding f;

	assert_int_equal(program_look(root, path, &f), 0);
	assert_true(strlen(f.why) > 0);
	return f.kind;
}

struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	char interpreter[64];
	Elf64_Nhdr note;
	char note_name[4];
	Elf64_Nhdr second; /* behind the first one in the same segment */
	char second_name[4];
};

/* interpreter NULL: static. note: its name, NULL: none. */
static struct image make_elf(const char *interpreter, const char *note)
{
	struct image e = {.eh = {.e_ident = ELFMAG, .e_phoff = offsetof(struct image, ph),
				  .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2}};

	e.eh.e_ident[EI_CLASS] = ELFCLASS64;
#if defined(__x86_64__)
	e.eh.e_machine = EM_X86_64;
#else
	e.eh.e_machine = EM_AARCH64;
#endif
	if (interpreter) {
		strcpy(e.interpreter, interpreter);
		e.ph[0] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = offsetof(struct image, interpreter),
			.p_filesz = strlen(interpreter) + 1};
	}
	if (note) {
		e.note.n_namesz = 4;
		memcpy(e.note_name, note, 4);
		e.ph[1] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = offsetof(struct image, note),
			.p_filesz = sizeof(e.note) + 4};
	}
	return e;
}

static void put_elf(const char *name, struct image e)
{
	put(name, &e, sizeof(e));
}

/* As a Go program is that is linked against the C library. */
static struct image make_cgo(void)
{
	struct image e = make_elf("/lib64/ld-linux-x86-64.so.2", "GNU");

	e.second.n_namesz = 4;
	memcpy(e.second_name, "Go\0", 4);
	e.ph[1].p_filesz = 2 * (sizeof(e.note) + 4);
	return e;
}

static void test_elf(void **state)
{
	(void)state;
	put_elf("cgo2", make_cgo());
	assert_int_equal(look("/cgo2"), PROGRAM_GO);
	put_elf("glibc", make_elf("/lib64/ld-linux-x86-64.so.2", "GNU"));
	put_elf("musl", make_elf("/lib/ld-musl-x86_64.so.1", NULL));
	put_elf("static", make_elf(NULL, "GNU"));
	put_elf("go", make_elf(NULL, "Go\0"));
	put_elf("cgo", make_elf("/lib64/ld-linux-x86-64.so.2", "Go\0"));
	assert_int_equal(look("/glibc"), PROGRAM_GLIBC);
	assert_int_equal(look("/musl"), PROGRAM_MUSL);
	assert_int_equal(look("/static"), PROGRAM_STATIC);
	assert_int_equal(look("/go"), PROGRAM_GO);
	assert_int_equal(look("/cgo"), PROGRAM_GO);
}

static void test_damaged(void **state)
{
	struct image e = make_elf("/lib64/ld-linux-x86-64.so.2", "Go\0");

	(void)state;
	for (size_t cut = 4; cut < sizeof(e); cut++) {
		put("cut", &e, cut);
		look("/cut"); /* any answer, no crash */
	}
	e.eh.e_phnum = 65535;
	put_elf("many", e);
	assert_int_equal(look("/many"), PROGRAM_OTHER);
	e = make_elf("/lib64/x", NULL);
	e.ph[0].p_offset = UINT64_MAX;
	put_elf("far", e);
	assert_int_equal(look("/far"), PROGRAM_OTHER);
	e = make_elf("/lib64/x", NULL);
	e.ph[0].p_filesz = 100000;
	put_elf("long", e);
	assert_int_equal(look("/long"), PROGRAM_OTHER);
	e = make_elf(NULL, NULL);
	e.eh.e_machine = EM_386;
	put_elf("i386", e);
	assert_int_equal(look("/i386"), PROGRAM_OTHER);
	put("empty", "", 0);
	assert_int_equal(look("/empty"), PROGRAM_OTHER);
	put("text", "hello", 5);
	assert_int_equal(look("/text"), PROGRAM_OTHER);
}

static void test_scripts(void **state)
{
	static const char *const scripts[][2] = {{"direct", "#!/usr/bin/interp\n"}, {"blank", "#! /usr/bin/interp -u\n"},
		{"env", "#!/usr/bin/env interp\n"}, {"env-s", "#!/usr/bin/env -S A=b interp -x\n"}, {"crlf", "#!/usr/bin/interp\r\n"}};
	struct program_finding f;

	(void)state;
	put_elf("usr/bin/interp", make_elf("/lib64/ld-linux-x86-64.so.2", NULL));
	for (size_t i = 0; i < TRP_ARRAY_SIZE(scripts); i++) {
		char path[32];
		put(scripts[i][0], scripts[i][1], strlen(scripts[i][1]));
		snprintf(path, sizeof(path), "/%s", scripts[i][0]);
		assert_int_equal(look(path), PROGRAM_GLIBC);
	}
	put("loop", "#!/loop\n", 8);
	assert_int_equal(look("/loop"), PROGRAM_OTHER);
	put("relative", "#!interp\n", 9);
	assert_int_equal(look("/relative"), PROGRAM_OTHER);
	put("nowhere", "#!/no/such\n", 11);
	assert_int_equal(program_look(root, "/nowhere", &f), -ENOENT);
	assert_int_equal(program_look(root, "/no/such", &f), -ENOENT);
	assert_int_equal(program_look(root, "/usr", &f), -EACCES);
}

static void test_links_stay_inside(void **state)
{
	struct program_finding f;

	(void)state;
	assert_int_equal(symlinkat("/bin/sh", root, "out"), 0);
	assert_int_equal(program_look(root, "/out", &f), -ENOENT);
	assert_int_equal(program_look(root, "/../../../bin/sh", &f), -ENOENT);
}

static void test_this_machine(void **state)
{
	cleanup_close int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct program_finding f;

	(void)state;
	assert_int_equal(program_look(top, "/bin/sh", &f), 0);
	assert_int_equal(f.kind, PROGRAM_GLIBC);
	assert_non_null(strstr(f.why, "/bin/sh is linked against glibc"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_elf, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scripts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_stay_inside, setup, teardown),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
