package main

/*
#ifdef __linux__
#include <sys/prctl.h>
#endif

// The thread that watches Go's scheduler sleeps for 20 us at a time: engine_library.c
// has given all threads a slack of 1 ms, so that this is not all that a node does. A
// thread that carries out the core's work must not have it: before such a thread takes
// over a goroutine that another has just made ready, Go has it sleep for 3 us.
static void
be_punctual(void)
{
#ifdef __linux__
	static __thread int done;

	if (!done)
	{
		prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0); // 1 us; what fails costs time only
		done = 1;
	}
#endif
}
*/
import "C"

// bePunctual is called on every thread that has stepped the core. The second call on a
// thread does nothing.
func bePunctual() { C.be_punctual() }
