#ifndef M2FP_BUILD_INFO_H
#define M2FP_BUILD_INFO_H

#pragma GCC visibility push(hidden)

/// The commit that this was built from, abbreviated, with "-dirty" where more than that was; empty where
/// `make` was not asked or there was no checkout.
extern const char *_Nonnull const m2fp_commit;

#pragma GCC visibility pop

#endif
