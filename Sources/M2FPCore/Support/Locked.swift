/// A value that threads touch one after another.
///
/// Rather than `Synchronization.Mutex`: a thread that has to wait takes that in the standard library,
/// out of ThreadSanitizer's sight, which then reports races where there are none.
public final class Locked<Value: Sendable>: @unchecked Sendable {
  private let lock = Condition()
  private var value: Value

  public init(_ value: Value) {
    self.value = value
  }

  /// Runs `body` while no other thread can, on the value itself.
  ///
  /// - Throws: What `body` throws.
  public func withLock<Result, Failure>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return try body(&value)
  }
}
