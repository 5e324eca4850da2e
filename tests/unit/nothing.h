/* SPDX-License-Identifier: ISC */
/* nothing.h: calls of which a unit test wants nothing, in their place (--wrap of the linker). */
#pragma once

#define NOTHING(call)         \
	void __wrap_##call(void); \
	void __wrap_##call(void)  \
	{                         \
	}
