/* SPDX-License-Identifier: MIT */
/*
 * uncaught.c: a C++ exception that leaves a goroutine ends the process as a panic that nobody has recovered from.
 *
 * The C++ library looks for a handler first, frame by frame, and unwinds only when it has found one. The frame at the bottom of a goroutine's stack (entry.S) has
 * a personality routine, goro__uncaught(), which is asked in that search like that of any C++ function. When it is asked nobody has caught the exception, and
 * nothing has been unwound: the backtrace shows where it was thrown. That costs nothing until it happens, and holds for goroutines of
 * GORO_GO() and goro_spawn() as for those of goro.hpp. Other frames of ours that an exception must not pass have the same routine: the calls that a panic makes, where
 * C++ has no answer to two things under way either, and goro_call_on_stack(), whose stack it would leave behind.
 *
 * It is no panic that could be recovered from: deferred calls are not made, as no destructor is run. Whoever wants that catches the exception. A function that
 * is noexcept, or a destructor, ends the program by std::terminate() before we are asked, as everywhere in C++.
 *
 * What was thrown. The type comes by functions of the C++ ABI (Itanium C++ ABI, 2.4 and 2.5); what() of a std::exception needs two things that are not in it, but cannot
 * change as compiled programs contain them: the place of what() in a table of virtual functions, and that of the function by which a type_info says whether a
 * handler of its type takes an exception, and converts the pointer (__do_catch() of libstdc++; libc++abi keeps it in the same place on purpose).
 *
 * Rejected: a handler in the wrapper that goro.hpp puts around a function (all frames are gone by then, and C functions have no wrapper); std::set_terminate()
 * (belongs to the program).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include "attr.h"
#include "panic.h"

#define TEXT_MAX 512
#define WEAK __attribute__((weak))

/* Begins as every std::type_info. */
struct type_info {
	const void *const *table;
	const char *name; /* mangled; a '*' in front is not part of it */
};

void *__cxa_begin_catch(void *exc) WEAK;
const struct type_info *__cxa_current_exception_type(void) WEAK;
char *__cxa_demangle(const char *name, char *buf, size_t *len, int *ret_status) WEAK;
extern const struct type_info exception_type __asm__("_ZTISt9exception") WEAK; /* typeid(std::exception) */

typedef _Bool (*takes_fn)(const struct type_info *handler, const struct type_info *thrown, void **object, unsigned int outer);
typedef const char *(*what_fn)(const void *exception);
#define SLOT_TAKES 4 /* behind two destructors and two functions about pointers */
#define SLOT_WHAT 2  /* behind two destructors */

#define CLASS_LENGTH 8
#define CLASS_DEPENDENT 1 /* the last byte: the header stands for an exception that lies elsewhere (std::rethrow_exception()) */

struct primary_layout { /* of libstdc++, for the place of what follows in it */
	void *words[5];
	int numbers[2];
	void *more[4];
	struct _Unwind_Exception exc;
};

/* The object that was thrown; NULL if this is not told. */
static void *object_of(struct _Unwind_Exception *exc, const char *class)
{
	if (class[CLASS_LENGTH - 1] != CLASS_DEPENDENT)
		return exc + 1;
	if (class[0] != 'G')
		return NULL;
	return *(void **)((char *)exc - offsetof(struct primary_layout, exc));
}

/* what() of the object if it is a std::exception, else NULL. */
static const char *what_of(void *object, const struct type_info *type)
{
	if (!object || !&exception_type || !((takes_fn)exception_type.table[SLOT_TAKES])(&exception_type, type, &object, 1))
		return NULL;
	return ((what_fn)(*(const void *const **)object)[SLOT_WHAT])(object);
}

/* In user context: what() is the user's, and the name comes from malloc(). */
static void describe(struct _Unwind_Exception *exc, char *buf)
{
	const struct type_info *type;
	const char *name, *what;
	char class[CLASS_LENGTH];

	memcpy(class, &exc->exception_class, CLASS_LENGTH);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (int i = 0; i < CLASS_LENGTH / 2; i++) {
		char c = class[i];

		class[i] = class[CLASS_LENGTH - 1 - i];
		class[CLASS_LENGTH - 1 - i] = c;
	}
#endif
	if (memcmp(class + 4, "C++", 3) != 0 || !__cxa_begin_catch || !__cxa_current_exception_type) {
		strcpy(buf, "foreign exception");
		return;
	}
	__cxa_begin_catch(exc); /* it is handled, as it would be before std::terminate() */
	type = __cxa_current_exception_type();
	name = type->name[0] == '*' ? type->name + 1 : type->name;
	what = what_of(object_of(exc, class), type);
	if (__cxa_demangle) {
		char *clear = __cxa_demangle(name, NULL, NULL, NULL);

		if (clear)
			name = clear;
	}
	if (what)
		snprintf(buf, TEXT_MAX, "%s: %s", name, what);
	else
		snprintf(buf, TEXT_MAX, "exception of type %s", name);
}

_Unwind_Reason_Code goro__uncaught(int version, _Unwind_Action actions, uint64_t class, struct _Unwind_Exception *exc,
				   struct _Unwind_Context *ctx);

_Unwind_Reason_Code goro__uncaught(int version, _Unwind_Action actions, uint64_t class, struct _Unwind_Exception *exc,
				   struct _Unwind_Context *ctx)
{
	char buf[TEXT_MAX];

	(void)version;
	(void)class;
	(void)ctx;
	if (!(actions & _UA_SEARCH_PHASE))
		return _URC_CONTINUE_UNWIND; /* a panic's, or a thread's end, which nobody may stop */
	describe(exc, buf);
	goro__panic_fatal(buf);
}
