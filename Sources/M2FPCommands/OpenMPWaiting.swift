import Foundation

/// Keeps OpenMP threads from spinning at barriers.
///
/// By default libgomp spins so long that one other busy process makes an image take six times as
/// long. It reads its environment when it is loaded, before `main`, so the only way to say
/// otherwise is to start this program again with the variable set.
enum OpenMPWaiting {
  /// Starts the program again unless that is needless: one thread waits at no barrier, and a policy
  /// that is set is the user's. When it cannot be started again, it goes on as it is.
  static func restartWithoutSpinning(threads: Int) {
    guard threads > 1, getenv("OMP_WAIT_POLICY") == nil, getenv("GOMP_SPINCOUNT") == nil else {
      return
    }
    setenv("GOMP_SPINCOUNT", "2000", 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
  }
}
