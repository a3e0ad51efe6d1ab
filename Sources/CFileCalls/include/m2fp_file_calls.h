#ifndef M2FP_FILE_CALLS_H
#define M2FP_FILE_CALLS_H

#include <stdbool.h>

#pragma GCC visibility push(hidden)

// System calls and constants of Linux that Swift's import of glibc leaves out.

// Flag of open: the place in the tree alone, without reading or writing; see open(2), O_PATH.
extern const int m2fp_o_path;

// Opens what lies at a relative path below a folder, through no symbolic link and no "..".
//
// Returns a descriptor, or -1 with errno: ENOSYS where the kernel (before 5.6) or a sandbox does not
// have the call, ELOOP where there is a link, EXDEV where the path leads out, EAGAIN where something
// was renamed meanwhile.
int m2fp_open_beneath(int folder, const char *path, int flags);

// Whether a file has an access control list beyond its owner, group and others.
bool m2fp_has_access_list(int file);

#pragma GCC visibility pop

#endif
