// Calls of the system that fail when the target says so, in the place of glibc's.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// How many calls are left until one fails; none does from 0 on down.
static long calls_left = 0;

void m2fp_fail_after(long calls) { calls_left = calls; }

static int fails(void) {
  if (calls_left <= 0 || --calls_left > 0) return 0;
  errno = EIO;
  return 1;
}

// Nothing here need outlast a crash of the machine.
void sync(void) {}

int fsync(int file) { return fails() ? -1 : (int)syscall(SYS_fsync, file); }

int fstat(int file, struct stat *status) {
  return fails() ? -1 : (int)syscall(SYS_newfstatat, file, "", status, AT_EMPTY_PATH);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  return fails() ? -1 : (int)syscall(SYS_mkdirat, folder, path, mode);
}

int renameat(int old_folder, const char *old, int folder, const char *path) {
  return fails() ? -1 : (int)syscall(SYS_renameat2, old_folder, old, folder, path, 0);
}

ssize_t write(int file, const void *bytes, size_t count) {
  return fails() ? -1 : syscall(SYS_write, file, bytes, count);
}

ssize_t read(int file, void *bytes, size_t count) {
  // A file that was cut short meanwhile ends early.
  if (fails()) return count % 2 ? 0 : -1;
  return syscall(SYS_read, file, bytes, count);
}

int openat(int folder, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return fails() ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}

// The user's own group, if that is root's, which others join and leave.
struct group *getgrgid(gid_t id) {
  static char *members[] = {"root", NULL, NULL};
  static struct group group = {.gr_name = "root", .gr_mem = members};
  if (fails()) return NULL;
  members[1] = calls_left % 2 ? "nobody" : NULL;
  group.gr_gid = id;
  return &group;
}
