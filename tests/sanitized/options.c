/* SPDX-License-Identifier: ISC */
/* Linked into the router of "make check-router" only: it has no environment to take these from. To look for leaks at its end
 * the sanitizer would need ptrace(2); a leak shows in the test that counts its memory instead. RLIMIT_CORE stays what the daemon set. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1:disable_coredump=0";
}
