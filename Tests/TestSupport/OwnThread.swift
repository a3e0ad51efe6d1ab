import Foundation

/// Runs what blocks (a batch, a lock that is waited for) on a thread of its own, so that other tests
/// have the pool meanwhile.
package func onOwnThread<Result: Sendable>(
  _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: .init(catching: body)) }
  }
}
