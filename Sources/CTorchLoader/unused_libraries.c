#define _GNU_SOURCE
#include "unused_libraries.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Those of Debian 12. Where libtorch names others, these keep nothing out.
static const char *const kNames[] = {
    "libavcodec.so.59",
    "libavformat.so.59",
    "libavutil.so.57",
    "libopencv_calib3d.so.406",
    "libopencv_core.so.406",
    "libopencv_dnn.so.406",
    "libopencv_features2d.so.406",
    "libopencv_flann.so.406",
    "libopencv_highgui.so.406",
    "libopencv_imgcodecs.so.406",
    "libopencv_imgproc.so.406",
    "libopencv_optflow.so.406",
    "libopencv_video.so.406",
    "libopencv_videoio.so.406",
    "libopencv_ximgproc.so.406",
    "libswresample.so.4",
    "libswscale.so.6",
};
enum { kCount = sizeof kNames / sizeof *kNames };

static void *handles[kCount];

// A shared library that has a name (DT_SONAME), by which the dynamic linker knows it again, and
// nothing else.
typedef struct empty_library {
  ElfW(Ehdr) header;
  ElfW(Phdr) segments[3];
  ElfW(Dyn) dynamic[6];
  ElfW(Sym) symbols[1];
  char strings[64];
} empty_library;

static empty_library make(const char *name) {
  empty_library library = {
      .header =
          {
              .e_ident =
                  {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
                   sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
              .e_type = ET_DYN,
#if defined(__x86_64__)
              .e_machine = EM_X86_64,
#elif defined(__aarch64__)
              .e_machine = EM_AARCH64,
#endif
              .e_version = EV_CURRENT,
              .e_phoff = offsetof(empty_library, segments),
              .e_ehsize = sizeof library.header,
              .e_phentsize = sizeof *library.segments,
              .e_phnum = 3,
          },
      .segments =
          {
              {.p_type = PT_LOAD,
               .p_flags = PF_R | PF_W,
               .p_filesz = sizeof library,
               .p_memsz = sizeof library,
               .p_align = 1 << 16},
              {.p_type = PT_DYNAMIC,
               .p_flags = PF_R | PF_W,
               .p_offset = offsetof(empty_library, dynamic),
               .p_vaddr = offsetof(empty_library, dynamic),
               .p_filesz = sizeof library.dynamic,
               .p_memsz = sizeof library.dynamic,
               .p_align = _Alignof(ElfW(Dyn))},
              // Without it the stacks of all threads would become executable.
              {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W},
          },
      .dynamic =
          {
              {.d_tag = DT_SONAME, .d_un.d_val = 1},
              {.d_tag = DT_STRTAB, .d_un.d_ptr = offsetof(empty_library, strings)},
              {.d_tag = DT_STRSZ, .d_un.d_val = sizeof library.strings},
              {.d_tag = DT_SYMTAB, .d_un.d_ptr = offsetof(empty_library, symbols)},
              {.d_tag = DT_SYMENT, .d_un.d_val = sizeof *library.symbols},
              {.d_tag = DT_NULL},
          },
  };
  snprintf(library.strings + 1, sizeof library.strings - 1, "%s", name);
  return library;
}

void m2fp_keep_out_unused_libraries(void) {
  // All are open at a time, because the linker knows a path again, too.
  int files[kCount];
  for (int i = 0; i < kCount; ++i) {
    files[i] = memfd_create(kNames[i], MFD_CLOEXEC);
    if (files[i] < 0) continue;
    const empty_library library = make(kNames[i]);
    if (write(files[i], &library, sizeof library) != (ssize_t)sizeof library) continue;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", files[i]);
    handles[i] = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  }
  for (int i = 0; i < kCount; ++i) {
    if (files[i] >= 0) close(files[i]);
  }
}

void m2fp_let_in_unused_libraries(void) {
  for (int i = 0; i < kCount; ++i) {
    if (handles[i]) dlclose(handles[i]);
    handles[i] = NULL;
  }
}
