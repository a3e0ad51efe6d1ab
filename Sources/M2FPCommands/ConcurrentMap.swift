import Dispatch
import M2FPCore

/// Applies `transform` on all CPUs.
///
/// - Parameters:
///   - values: What to.
///   - memory: Bytes that all threads together hold.
///   - bytes: How many a value needs.
///   - transform: What is done.
/// - Returns: The results, in the order of `values`.
func concurrentMap<Value: Sendable, Result: Sendable>(
  _ values: [Value], sharing memory: WeightedSemaphore, bytes: @Sendable (Value) -> Int,
  _ transform: @Sendable (Value) -> Result
) -> [Result] {
  let results = Locked([Result?](repeating: nil, count: values.count))
  DispatchQueue.concurrentPerform(iterations: values.count) { index in
    let result = memory.holding(bytes(values[index])) { transform(values[index]) }
    results.withLock { $0[index] = result }
  }
  return results.withLock { $0.compactMap { $0 } }
}
